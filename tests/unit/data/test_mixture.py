"""Several sets as one mixture: what is drawn, what is held out, and how a sample is found again."""

import json
import os
import pickle
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from tests.unit.training.prepared_sets import ask, write_set
from vgcli_core.data.mixture import Part, estimated_length, mix
from vgcli_core.data.prepared import Prepared
from vgcli_core.data.sample import Turn, human_turn
from vgcli_core.errors import DataError

NUMBERS = ("part", "offset", "line", "length", "tag", "frames", "beginning")


@pytest.fixture
def parts(tmp_path) -> list[Part]:
    """20 scenes of 3 questions, half of the scenes shared with a second set, which has one question of each, in 2d."""
    first = [ask(f"q{scene}/{n}", scene=f"s{scene}", words=n) for scene in range(20) for n in range(3)]
    second = [ask(f"Ä{scene}", scene=f"s{scene}", frames=1, tag="2d") for scene in range(10, 30)]
    return [
        Part("first", write_set(tmp_path / "first", first), "train"),
        Part("second", write_set(tmp_path / "second", second), "train"),
    ]


def ids(mixture):
    return [mixture.sample(index).id for index in range(len(mixture))]


def scenes(mixture):
    return {mixture.sample(index).scene for index in range(len(mixture))}


def test_every_sample_of_every_part_is_there_in_the_order_of_the_files(parts):
    trained, held = mix(parts, seed=0)
    assert ids(trained) == [f"q{scene}/{n}" for scene in range(20) for n in range(3)] + [f"Ä{s}" for s in range(10, 30)]
    assert len(held) == 0
    assert trained.part.tolist() == [0] * 60 + [1] * 20
    assert trained.tag.tolist() == [1] * 60 + [0] * 20
    assert trained.length[:3].tolist() == [504 + 1 + n + 2 for n in range(3)]
    assert trained.where(62) == f"{parts[1].prepared.root / 'train.jsonl'}, line 3"
    assert trained.root(62) == parts[1].prepared.root
    assert [image.shape for image in trained.images(62)] == [(28, 56, 3)]


def test_a_share_is_drawn_by_the_seed_and_keeps_the_order(parts):
    half = [Part("first", parts[0].prepared, "train", 0.5), parts[1]]
    drawn = [ids(mix(half, seed=seed)[0]) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    whole = ids(mix(parts, seed=0)[0])
    assert len(drawn[0]) == 30 + 20
    assert drawn[0] == [name for name in whole if name in drawn[0]]
    assert mix(half, seed=0)[0].counts["first"] == {
        "in the set": 60,
        "of other tasks": 0,
        "left by share": 30,
        "held out": 0,
        "left with their scene": 0,
        "trained on": 30,
    }


@pytest.mark.parametrize("share", [0.29, 0.999, 0.017])
def test_a_share_is_cut_to_a_whole_number(parts, share):
    assert len(mix([Part("first", parts[0].prepared, "train", share)], seed=3)[0]) == int(share * 60)


def test_a_share_of_nothing_is_refused(parts):
    with pytest.raises(DataError, match=r"0\.01 of the 60 samples of first is none"):
        mix([Part("first", parts[0].prepared, "train", 0.01)], seed=0)


@pytest.mark.parametrize("hold_out", [1, 4, 8, 20])
def test_what_is_held_out_is_of_scenes_that_are_not_trained_on(parts, hold_out):
    trained, held = mix(parts, seed=5, hold_out=hold_out)
    assert len(held) == hold_out
    assert not scenes(trained) & scenes(held)
    # Three quarters of the samples are of the first part.
    assert (held.part == 0).sum() == round(hold_out * 0.75)
    for number, part in enumerate(parts):
        counts = trained.counts[part.key]
        assert counts["trained on"] == (trained.part == number).sum()
        assert counts["held out"] == (held.part == number).sum()
        assert sum(counts.values()) == 2 * counts["in the set"]


def test_each_part_keeps_a_scene_however_much_is_held_out(parts):
    trained, held = mix(parts, seed=0, hold_out=1000)
    assert set(trained.part.tolist()) == {0, 1}
    assert not scenes(trained) & scenes(held)


def test_nothing_is_held_out_of_a_set_of_one_scene(tmp_path):
    part = Part("one", write_set(tmp_path / "one", [ask("a"), ask("b")]), "train")
    trained, held = mix([part], seed=0, hold_out=1)
    assert (len(trained), len(held)) == (2, 0)


def test_the_draws_do_not_depend_on_the_hash_seed(parts, repository):
    program = (
        "import sys; from pathlib import Path; from vgcli_core.data.prepared import Prepared\n"
        "from vgcli_core.data.mixture import Part, mix\n"
        "sets = [Prepared(Path(root), {'splits': {'train': {}}}) for root in sys.argv[1:]]\n"
        "parts = [Part(one.root.name, one, 'train', 0.7) for one in sets]\n"
        f"print([[getattr(m, name).tolist() for name in {NUMBERS!r}] for m in mix(parts, seed=3, hold_out=9)])"
    )
    roots = [str(part.prepared.root) for part in parts]
    found = {
        subprocess.run(
            [sys.executable, "-c", program, *roots],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=repository,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_a_mixture_can_be_sent_to_another_process(parts):
    trained, _ = mix(parts, seed=0, hold_out=4)
    again = pickle.loads(pickle.dumps(trained))
    assert ids(again) == ids(trained)


@pytest.mark.parametrize(
    "line",
    ["{", "[1]", '{"frames": []}', "[" * 10000, '{"frames": 1, "conversations": [], "scene": "s"}'],
)
def test_a_damaged_line_is_named(parts, line):
    path = parts[0].prepared.root / "train.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:7], line, *lines[8:]]), encoding="utf-8")
    with pytest.raises(DataError, match="no sample") as error:
        mix(parts, seed=0)
    assert error.value.where == f"{path}, line 8"


def test_a_tag_that_no_version_knows_is_named(parts):
    path = parts[1].prepared.root / "train.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"2d"', '"4d"', 1), encoding="utf-8")
    with pytest.raises(DataError, match="no sample"):
        mix(parts, seed=0)


def test_a_missing_file_and_a_missing_split_are_named(parts, tmp_path):
    with pytest.raises(DataError, match="no split 'val'"):
        mix([Part("first", parts[0].prepared, "val")], seed=0)
    with pytest.raises(DataError, match=r"cannot read train\.jsonl"):
        mix([Part("gone", Prepared(tmp_path / "gone", parts[0].prepared.manifest), "train")], seed=0)


def test_a_line_damaged_after_mixing_is_an_error_of_its_sample(parts):
    trained, _ = mix(parts, seed=0)
    path = parts[0].prepared.root / "train.jsonl"
    data = bytearray(path.read_bytes())
    data[trained.offset[7]] = ord("\xff")
    path.write_bytes(data)
    with pytest.raises(DataError, match="no JSON") as error:
        trained.sample(7)
    assert error.value.where == f"{path}, line 8"
    assert trained.sample(8).id == "q2/2"


def test_samples_that_show_the_same_pictures_are_known_without_reading_them(tmp_path):
    named = (human_turn("where?", 2, names=0), Turn("gpt", "There."))
    samples = [
        ask("a"),
        ask("b", frames=1),
        ask("words", frames=0),
        ask("a again", words=9),
        replace(ask("named"), conversations=named),
        ask("marked", markers={"type": "view_change_infer"}),
        ask("no words", frames=0),
    ]
    parts = [Part(name, write_set(tmp_path / name, samples), "train") for name in ("one", "two")]
    mixture, _ = mix(parts, seed=0)
    # Equal names in another folder are other pictures.
    assert mixture.frames.tolist() == [0, 1, -1, 0, 0, 2, -1, 3, 4, -1, 3, 3, 5, -1]
    assert mixture.beginning.tolist() == [0, 1, -1, 0, 2, 3, -1, 4, 5, -1, 4, 6, 7, -1]
    assert ids(mixture.first_of_each()) == ["a", "b", "marked"] * 2
    assert ids(mix(parts * 2, seed=0)[0].first_of_each()) == ["a", "b", "marked"] * 2


def test_lengths_count_pictures_and_words():
    assert estimated_length(2, [{"value": "<image>\n<image>\n two words"}, {"value": "one"}, {"value": ""}]) == 509


def test_a_large_mixture_takes_a_few_megabytes_and_seconds(tmp_path):
    write_set(tmp_path / "large", [])
    prepared = Prepared(tmp_path / "large", {"splits": {"train": {"samples": 60000}}})
    row = {"frames": ["a.png"] * 8, "conversations": [{"from": "human", "value": "what is it " * 5}], "scene": ""}
    with (tmp_path / "large" / "train.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(f"{json.dumps({**row, 'scene': f's{n // 60}'})}\n" for n in range(60000))
    started = time.process_time()
    trained, _ = mix([Part("large", prepared, "train")], seed=0, hold_out=64)
    assert time.process_time() - started < 10  # one second on a quiet machine
    assert sum(getattr(trained, name).nbytes for name in NUMBERS) <= 27 * 60000
    assert len(trained) == 60000 - 2 * 60  # 64 samples are more than one scene has


def test_only_samples_of_the_chosen_tasks_are_used_and_the_rest_is_counted(tmp_path):
    samples = [replace(ask(f"s/{n}", scene="s"), task=("ask", "caption", "detect")[n % 3]) for n in range(9)]
    prepared = write_set(tmp_path, samples)
    trained, _ = mix([Part("some", prepared, "train", 1.0, ("ask", "detect"))], seed=0)
    assert ids(trained) == [sample.id for sample in samples if sample.task != "caption"]
    assert trained.counts["some"]["of other tasks"] == 3
    both, _ = mix(
        [Part("a", prepared, "train", 1.0, ("ask",)), Part("b", prepared, "train", 1.0, ("caption",))], seed=0
    )
    assert len(set(both.frames.tolist())) == len(set(trained.frames.tolist()))  # frames are known to be the same ones
    with pytest.raises(DataError, match="0 samples of ground of none is none"):
        mix([Part("none", prepared, "train", 1.0, ("ground",))], seed=0)
