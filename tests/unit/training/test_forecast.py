"""The forecast of a run: work and bytes by arithmetic a reader can redo, verdicts, and changes that would fit."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from vgcli import forecasting
from vgcli_core.errors import DataError, ResourceError
from vgcli_core.training.forecast import Forecast, check_fits, forecast_run
from vgcli_core.training.hardware import GB, find_hardware, peak_of
from vgcli_core.training.memory import Longest, memory_of
from vgcli_core.training.recipe import Recipe
from vgcli_core.training.recipe_files import load_recipe, recipes
from vgcli_core.training.sizes import Sizes, sizes_of_recipe
from vgcli_core.training.work import decoder_work, geometry_work, sample_work, tower_work

LONGEST = Longest(frames=32, tokens=8500, text=200, patches=28 * 37, cells=252)
TRAINED, FROZEN = 3_127_889_920, 1_577_796_608  # parameters of the 4B model
SPATIAL = {"spar": {"dataset": "spar"}, "llava_hound": {"dataset": "llava_hound"}}
SCENE = {name: {"dataset": name} for name in ("scan2cap", "scanrefer", "scannet_det")}


def recipe(sets: dict[str, Any] = SPATIAL, **sections: Any) -> Recipe:
    return Recipe.model_validate({"data": {"sets": sets}, **sections})


@pytest.fixture(scope="module")
def full() -> Sizes:
    return sizes_of_recipe(recipe())


def memory(sizes: Sizes, *, world: int = 1, turns: int = 2, **sections: Any):
    return memory_of(sizes, recipe(**sections), LONGEST, world=world, turns=turns)


def test_work_of_32_frames_is_what_was_counted_before(full: Sizes):
    # TFLOP: geometry encoder 176, 2D tower 41, prefix 55 (tests/bench/bench_full_size.py).
    assert geometry_work(full, frames=32, patches=28 * 37) / 1e12 == pytest.approx(176, rel=0.05)
    assert tower_work(full, frames=32, cells=252) / 1e12 == pytest.approx(41, rel=0.05)
    assert decoder_work(full, tokens=8300) / 1e12 == pytest.approx(55, rel=0.05)


def test_full_training_of_a_decoder_takes_three_forward_passes_and_one_more_with_checkpoints(full: Sizes):
    facts = {"frames": 0, "tokens": 4096, "labelled": 0, "patches": 28 * 37, "cells": 252}
    forward = decoder_work(full, tokens=4096)
    for checkpoints, passes in ((False, 3), (True, 4)):
        one = recipe(run={"checkpoint_gradients": checkpoints})
        assert sample_work(full, one, **facts) == pytest.approx(passes * forward)


def test_weights_gradients_and_optimiser_follow_from_the_counts(full: Sizes):
    alone = memory(full).parts
    assert alone["weights"] == 4 * TRAINED + 2 * FROZEN
    assert alone["gradients"] == 4 * TRAINED
    assert alone["optimizer"] == 8 * TRAINED
    single = memory(full, run={"precision": "fp32"}).parts
    assert single["weights"] == 4 * (TRAINED + FROZEN)
    assert single["bf16 copies of weights"] == 0
    # In stage 3 encoders, which are all that is frozen, stay whole.
    for stage, weights in ((2, 2 * (TRAINED + FROZEN)), (3, 2 * FROZEN + 2 * TRAINED // 8)):
        spread = memory(full, world=8, run={"zero": stage}).parts
        assert spread["weights"] == weights
        assert spread["gradients"] == 2 * TRAINED // 8
        assert spread["optimizer"] == 12 * TRAINED // 8


def test_gradients_of_a_single_micro_batch_are_not_there_before_its_backward_pass(full: Sizes):
    several, one = memory(full, turns=2).moments, memory(full, turns=1).moments
    assert several["forward"] - one["forward"] == 4 * TRAINED
    assert several["update"] == one["update"]


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ({"run": {"checkpoint_gradients": False}}, {}),
        ({"batch": {"micro": 4}}, {"batch": {"micro": 2}}),
        ({}, {"trained": {"language_model": "lora"}}),
        ({"trained": {"language_model": "lora"}}, {"trained": {"language_model": "none"}}),
        ({"trained": {"vision_tower": True}}, {}),
        ({"trained": {"geometry_encoder": True}}, {}),
        ({"run": {"precision": "fp32"}}, {}),
        ({"batch": {"micro": 2, "packing": True}}, {}),
        ({"batch": {"questions": 5}}, {}),
        # Five questions on frames that stand once are less than five samples.
        ({"batch": {"micro": 5}}, {"batch": {"questions": 5}}),
    ],
)
def test_what_saves_memory_saves_it_in_the_forecast(full: Sizes, worse: dict[str, Any], better: dict[str, Any]):
    assert memory(full, **worse).total > memory(full, **better).total


def test_cached_features_spare_the_encoders_work_and_frames(full: Sizes):
    one = recipe(trained={"language_model": "none"})
    live, cached = (memory_of(full, one, LONGEST, world=1, turns=1, cached=cached).moments for cached in (False, True))
    assert "encoders" in live
    assert "encoders" not in cached
    assert cached["forward"] < live["forward"]


def test_published_recipes_have_the_published_samples_and_steps():
    found = forecast_run(recipe(run={"zero": 2}))
    assert found.samples == 234_056 + 63_750
    assert found.steps == -(-found.samples // 64)
    assert found.longest_frames == 32
    assert found.published_hours == 7
    scene = forecast_run(recipe(SCENE))
    assert scene.samples == 36_665 + 36_665 + 144_164
    assert scene.published_hours == 9
    assert forecast_run(recipe(SCENE, run={"epochs": 2})).steps == 2 * scene.steps
    assert forecast_run(recipe(SCENE, run={"max_steps": 10})).steps == 10
    assert forecast_run(recipe(SCENE, batch={"size": 16})).published_hours is None


def test_the_published_runs_reached_a_believable_part_of_the_assumed_peak():
    for sets in (SPATIAL, SCENE):
        for name in ("Qwen/Qwen2.5-VL-3B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct"):
            found = forecast_run(recipe(sets, start={"weights": name}, run={"zero": 2}), device="auto")
            assert found.published_mfu is None or 0.1 < found.published_mfu < 0.4


def test_samples_are_shortened_by_whole_frames_to_the_recipes_length():
    short = Recipe.model_validate({"data": {"sets": {"spar": {"dataset": "spar"}}, "max_length": 4096}})
    found = forecast_run(short)
    # 150 tokens of question, 30 of the template; a picture has 252 and 8 around it.
    assert found.longest_frames == (4096 - 150 - 30) // (252 + 8)
    assert found.longest_tokens == found.longest_frames * 260 + 180


def test_a_run_that_fits_passes_the_check():
    found = forecast_run(recipe(run={"zero": 2}), world=8, gpu_memory=80 * GB)
    assert found.fits
    assert found.suggestions == ()
    check_fits(found)


def test_every_suggestion_fits_when_it_is_followed():
    found = forecast_run(recipe(), world=8, gpu_memory=48 * GB)
    assert found.fits is False
    flags = [one.flags for one in found.suggestions]
    assert "--set run.zero=2" in flags
    assert "--set trained.language_model=lora --set optim.lr=1e-4" in flags
    for one in found.suggestions:
        assert one.needed <= 48 * GB
        again = forecast_run(followed(one.flags), world=8, gpu_memory=48 * GB)
        assert again.fits
        assert again.needed == one.needed
    with pytest.raises(ResourceError, match="does not fit") as caught:
        check_fits(found)
    assert "--set run.zero=2" in caught.value.fix


def followed(flags: str) -> Recipe:
    sections: dict[str, Any] = {}
    for section, name, value in re.findall(r"--set (\w+)\.(\w+)=([\w.-]+)", flags):
        sections.setdefault(section, {})[name] = yaml.safe_load(value)
    return recipe(**sections)


def test_where_no_single_change_is_enough_several_are_put_together():
    one = recipe(batch={"micro": 4}, run={"checkpoint_gradients": False}, trained={"language_model": "lora"})
    found = forecast_run(one, world=1, gpu_memory=24 * GB)
    assert [suggestion.flags for suggestion in found.suggestions] == [
        "--set batch.micro=1 --set run.checkpoint_gradients=true"
    ]


def test_more_devices_are_the_last_resort_and_a_hopeless_run_says_so():
    found = forecast_run(recipe(), world=1, gpu_memory=16 * GB)
    assert [one.flags for one in found.suggestions] == ["--num-gpus 16 --set run.zero=3"]
    hopeless = forecast_run(recipe(), world=1, gpu_memory=2 * GB)
    assert hopeless.suggestions == ()
    with pytest.raises(ResourceError, match="does not fit") as caught:
        check_fits(hopeless)
    assert "smaller model" in caught.value.fix


def test_prepared_sets_are_counted_themselves(rooms: Path):
    lines = (rooms / "rooms" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    pictures = max(len(json.loads(line)["frames"]) for line in lines)
    one = recipe({"rooms": {"dataset": "rooms"}}, start={"weights": "tiny", "frame_width": 140}, batch={"size": 8})
    found = forecast_run(one, data=rooms)
    assert found.samples == len(lines)
    assert found.steps == -(-len(lines) // 8)
    assert found.longest_frames <= pictures
    assert (found.world, found.hardware.name, found.table) == (1, "this CPU", ())


def test_rows_of_questions_are_counted_where_sets_are_there_and_else_taken_to_be_full(rooms: Path):
    sets, start = {"rooms": {"dataset": "rooms"}}, {"weights": "tiny", "frame_width": 140}
    single, shared = (
        forecast_run(recipe(sets, start=start, batch={"size": 4, "questions": questions}), data=rooms)
        for questions in (1, 5)
    )
    assert shared.samples == single.samples
    assert single.steps / 5 < shared.steps < single.steps
    # A row has more tokens than a sample, and a step as many rows as it had samples, but frames are not counted again.
    assert single.tokens_per_step < shared.tokens_per_step < 5 * single.tokens_per_step
    assert shared.tokens_per_step * shared.steps < single.tokens_per_step * single.steps
    assert shared.operations * shared.steps < single.operations * single.steps

    published = forecast_run(recipe(batch={"questions": 5}, run={"zero": 2}))
    assert published.steps == math.ceil(math.ceil(published.samples / 5) / 64)
    assert published.published_hours is None
    assert any("rows are taken to be full: 5 questions" in note for note in published.notes)


ALONE = {
    "geometry": {"language_model": "none", "geometry_merger": False, "geometry_encoder": True},
    "regions": {"language_model": "none", "geometry_merger": False, "vision_tower": True, "connector": True},
}


@pytest.mark.parametrize("kind", ALONE)
def test_an_encoder_that_learns_alone_is_billed_alone_and_for_each_list_of_frames_once(rooms: Path, kind: str):
    lines = (rooms / "rooms" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    lists = {tuple(json.loads(line)["frames"]) for line in lines}
    assert len(lists) < len(lines)
    one = recipe(
        {"rooms": {"dataset": "rooms"}},
        start={"weights": "tiny", "geometry_weights": None, "frame_width": 168},
        objective={"kind": kind, "labels": ["bed"]},
        trained=ALONE[kind],
        batch={"size": 2},
        run={"checkpoint_gradients": False, "epochs": 3},
    )
    found = forecast_run(one, data=rooms)
    assert found.samples == len(lists)
    assert found.steps == 3 * math.ceil(len(lists) / 2)
    patches = 9 * 12  # of 168x126 pixels
    assert found.longest_tokens == found.longest_frames * patches
    sizes = sizes_of_recipe(one)
    forward = {
        "geometry": [geometry_work(sizes, frames=len(shown), patches=patches) for shown in lists],
        "regions": [tower_work(sizes, frames=len(shown), cells=4 * 6) for shown in lists],
    }[kind]
    assert found.operations == pytest.approx(3 * sum(forward) / len(lists) * 2)
    assert set(found.moments) == {"backward", "update"}
    # Nobody published how many lists of frames a set has.
    with pytest.raises(DataError):
        forecast_run(one.model_copy(update={"data": recipe().data}))


def test_what_sees_nothing_is_not_billed_for_looking(rooms: Path):
    start = {"weights": "tiny", "geometry_encoder": "none", "geometry_weights": None, "frame_width": 140}
    seeing, blind = (
        forecast_run(recipe({"rooms": {"dataset": "rooms"}}, start={**start, "blind": blind}), data=rooms)
        for blind in (False, True)
    )
    assert blind.tokens_per_step == seeing.tokens_per_step
    assert blind.operations < seeing.operations


def test_a_set_that_is_neither_there_nor_published_is_named(tmp_path: Path):
    one = recipe({"rooms": {"dataset": "rooms"}})
    with pytest.raises(DataError, match="rooms") as caught:
        forecast_run(one, data=tmp_path)
    assert "vgllm prepare rooms" in caught.value.fix
    with pytest.raises(DataError, match="no data folder"):
        forecast_run(one)


def test_peaks_are_found_in_the_names_that_drivers_give():
    assert peak_of("NVIDIA H100 80GB HBM3", "bf16") == 989e12
    assert peak_of("NVIDIA A100-SXM4-80GB", "fp32") == 19.5e12
    assert peak_of("NVIDIA GeForce RTX 4090", "bf16") == 165e12
    assert peak_of("Some other device", "bf16") is None


def test_a_cpu_is_measured():
    found = find_hardware("cpu", "fp32")
    assert found.peak is not None and found.peak > 1e8
    assert found.memory is not None and found.memory > 0


def shown(found: Forecast) -> str:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(*forecasting.forecast(found), sep="\n")
    return capture.get()


def test_the_verdict_comes_first_and_every_part_is_listed():
    found = forecast_run(recipe(run={"zero": 2}), world=8, gpu_memory=80 * GB)
    lines = shown(found).splitlines()
    assert re.match(r"fits: \d+\.\d of 80\.0 GB of each GPU \(8 GPUs, assumed", lines[0])
    text = "\n".join(lines)
    for name in ("weights", "gradients", "optimizer", "geometry_encoder", "3,085,938,688", "in 24 GB", "published"):
        assert name in text
    assert max(len(line.rstrip()) for line in lines) <= 80


def test_a_run_that_does_not_fit_shows_what_would():
    text = shown(forecast_run(recipe(), world=1, gpu_memory=24 * GB))
    assert text.startswith("does not fit: ")
    assert "would fit: --set trained.language_model=lora" in text


def test_stage_3_scores_all_labelled_tokens_at_once(full: Sizes):
    vocabulary = full.decoder.vocabulary
    for text in (200, 3000):
        longest = Longest(frames=32, tokens=8500, text=text, patches=28 * 37, cells=252)
        for stage, scored in ((2, min(text, 1024)), (3, text)):
            wanted = recipe(run={"zero": stage, "checkpoint_gradients": False})
            found = memory_of(full, wanted, longest, world=8, turns=1)
            assert found.moment == "backward of the scores"
            # bfloat16, float32, logarithms, and their gradient.
            assert found.parts["scores"] == scored * vocabulary * (2 + 4 + 4 + 4)


@pytest.mark.parametrize("name", [name for name in recipes() if name.endswith("-lora")])
def test_a_recipe_fits_the_smallest_gpu_that_it_names_and_no_smaller_one(name: str):
    cards = (16, 24, 32, 48, 80)
    one = load_recipe(name)
    said = re.search(r"one GPU of (\d+) to 80 GB$", one.description)
    assert said is not None
    smallest = int(said[1])
    fits = [size for size in cards if forecast_run(one, world=1, gpu_memory=size * GB).fits]
    assert fits == [size for size in cards if size >= smallest]


def test_the_published_run_tells_how_much_longer_than_forecast_a_run_may_take():
    # 80 columns: the line may be folded.
    found = forecast_run(load_recipe("spatial"), world=8, gpu_memory=80 * GB)
    text = " ".join(shown(found).split())
    said = "published 7 h on 8 GPUs: 15% of the peak of 8 such GPUs; at that rate a run takes 2.6 times the time above"
    assert said in text
    assert found.seconds is not None and 7 * 3600 / found.seconds == pytest.approx(2.6, abs=0.05)
    alone = shown(forecast_run(recipe(batch={"size": 16}, run={"zero": 2}), world=8, gpu_memory=80 * GB))
    assert "at that rate" not in alone


def test_several_processes_without_deepspeed_keep_their_gradients_between_steps(full: Sizes):
    alone, several = (memory(full, world=world, turns=1).moments for world in (1, 8))
    assert several["forward"] - alone["forward"] == 4 * TRAINED
