#!/usr/bin/env bash
# A VG-LLM from nothing, on a CPU: furnished rooms are made, both encoders and the language model learn from them, and
# the model is scored on rooms that it never saw and asked about the kitchen clip.
#
#   bash examples/rooms_end_to_end.sh              a coffee break: it learns what answers look like, and little more
#   SIZE=full bash examples/rooms_end_to_end.sh    the recipes as they are: the model that comes with vgllm
#   SIZE=tiny bash examples/rooms_end_to_end.sh    seconds: shows that everything runs
#
# Everything goes into OUT, runs/rooms_demo_SIZE by default. Stopped? Run it again: it goes on where it was.
# PYTHON is the Python that vgllm is installed in; PROCESSES train and answer side by side, 1, 2 or 4, by default one for
# each core and at most 2. PRECISION=fp32 is for processors that do not know bfloat16, on which that is far faster.
set -eu

SIZE=${SIZE:-small}
PYTHON=${PYTHON:-python}
case $SIZE in
    tiny) rooms=6 unseen=1 limits=(--limit 2 --max-new-tokens 16) geometry=2 vision=2 answers=2 ;;
    small) rooms=1000 unseen=40 limits=(--max-new-tokens 500) geometry=220 vision=500 answers=600 ;;
    full) rooms=20000 unseen=300 limits=() geometry='' vision='' answers='' ;;
    *) echo "SIZE is $SIZE: give tiny, small or full" >&2; exit 2 ;;
esac

clip=$(cd "$(dirname "$0")" && pwd)/rooms/kitchen.mp4
out=${OUT:-runs/rooms_demo_$SIZE}
case $PYTHON in */*) PYTHON=$(cd "$(dirname "$PYTHON")" && pwd)/$(basename "$PYTHON") ;; esac
cores=$("$PYTHON" -c 'import os; print(os.cpu_count() or 1)')
processes=${PROCESSES:-$((cores < 2 ? 1 : 2))}
case $processes in
    1 | 2 | 4) ;; # the four rows of a step are shared out
    *) echo "PROCESSES is $processes: give 1, 2 or 4" >&2; exit 2 ;;
esac
mkdir -p "$out/runs"
cd "$out"

# What runs is in the background, so that a signal reaches the shell at once. It is passed on: training then saves.
running=
# shellcheck disable=SC2086  # several numbers
trap '[ -z "$running" ] || { kill -TERM $running 2>/dev/null || true; wait; }' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start() {
    "$PYTHON" -m vgcli "$@" &
    running="$running $!"
}

vgllm() {
    start "$@"
    wait $!
    running=
}

step() {
    [ -z "${began:-}" ] || echo "--- $((SECONDS - began)) s"
    began=$SECONDS
    echo "=== $1"
}

# prepare SPLIT ROOMS FOLDER [OPTION...]: four frames of each room, and everything that is asked about them.
prepare() {
    vgllm prepare rooms --set preset=demo --frames fixed --num-frames 4 \
        --split "$1" --scenes "$2" --out "data/$3" "${@:4}"
}

# train RECIPE STEPS: the words of a command that trains it, whole where STEPS is empty, else so many steps.
train() {
    words=(train --recipe "$1" --device cpu ${PRECISION:+--set "run.precision=$PRECISION"})
    [ -z "$2" ] || words+=(--set "run.max_steps=$2" --set run.epochs=1000 --set run.save_every=50
        --set validation.every=0 --set validation.hold_out=0)
}

step "1 of 6: rooms to learn from, $rooms, and others to be asked about, $unseen"
prepare train "$rooms" rooms_demo --no-cameras
prepare val "$unseen" rooms

# More threads than cores slow all of them down.
export OMP_NUM_THREADS=$((cores > 1 ? cores / 2 : 1))

step "2 and 3 of 6: the geometry encoder learns geometry; beside it, the 2D tower learns what pictures show"
train rooms-vision "$vision"
start "${words[@]}" >runs/rooms-vision.txt 2>&1
tower=$!
train rooms-geometry "$geometry"
start "${words[@]}"
wait $!
echo "waiting for the 2D tower, which writes to $PWD/runs/rooms-vision.txt"
wait "$tower" || { code=$?; cat runs/rooms-vision.txt >&2; exit "$code"; }
running=

step "4 of 6: the language model learns to answer; both encoders are frozen, and what they see is kept"
train rooms "$answers"
vgllm "${words[@]}" --num-processes "$processes" --set "batch.micro=$((4 / processes))" --cache-features cache

step "5 of 6: scores on rooms that it never saw"
vgllm eval rooms --model runs/rooms/model --device cpu --num-processes "$processes" --out runs/eval \
    ${limits[@]+"${limits[@]}"}

step "6 of 6: the kitchen"
export OMP_NUM_THREADS=$cores
vgllm predict "$clip" "where is the sink?" "How many chair(s) are in this room?" --model runs/rooms/model --device cpu \
    --out runs/kitchen --save-vis runs/kitchen --fov 79.2

step "done in $SECONDS s: the model is in $PWD/runs/rooms/model, its scores in $PWD/runs/eval/report.html"
