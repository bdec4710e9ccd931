"""Runs as a user has them, in this process: six steps of a tiny model on rooms."""

import errno
import json
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.unit.training.memorising import answers_of, few_answers
from tests.unit.training.runs import STEPS, log, losses, prepare_rooms, recipe, run, weights
from vgcli_core.errors import CheckpointError, DataError, OutputError, UsageError
from vgcli_core.model.checkpoint import Options, load_model
from vgcli_core.model.processor import Processor
from vgcli_core.model.tokenizer import load_tokenizer
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.training import checkpoints
from vgcli_core.training.trainer import NonFiniteLoss


def stop_after(step: int, name: str = "SIGTERM"):
    def after(now):
        if now.step == step:
            signal.raise_signal(getattr(signal, name))

    return after


@pytest.fixture(scope="module")
def whole(rooms, tmp_path_factory) -> Path:
    """A run that was never stopped."""
    out = tmp_path_factory.mktemp("whole") / "run"
    outcome, _ = run(recipe(), rooms, out)
    assert (outcome.state, outcome.step, outcome.bad) == ("finished", STEPS, 0)
    return out


def same(out: Path, whole: Path) -> None:
    """Assert that a run left what one without a stop left."""
    assert (out / "log.jsonl").read_bytes() == (whole / "log.jsonl").read_bytes()
    found, expected = weights(out), weights(whole)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_run_leaves_its_record_its_lines_a_picture_and_a_model_that_loads(whole):
    record = json.loads((whole / "run.json").read_text())
    assert record["data"]["rooms"]["counts"]["trained on"] > 0
    assert record["starts"][0]["world"] == 1
    assert json.loads((whole / "status.json").read_text())["state"] == "finished"
    assert [line["step"] for line in log(whole)] == list(range(1, STEPS + 1))
    assert (whole / "loss.png").stat().st_size > 0
    model, report = load_model(whole / "model", Options(device="cpu"))
    assert not model.config.untrained
    assert model.config.euler_convention == "ZXY"
    assert report.left_out == {}
    assert not (whole / "lock").exists()


def test_frozen_parts_stay_bit_for_bit_and_trained_parts_all_change(whole, rooms, tmp_path):
    # One step at the schedule's first rate, which is 0: the weights of the start.
    run(recipe(run={"max_steps": 1}, optim={"warmup": 0.9}), rooms, tmp_path / "start")
    before, after = weights(tmp_path / "start"), weights(whole)
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    frozen = {name for name in before if name.startswith(("visual.", "geometry_encoder."))}
    assert not changed & frozen
    assert changed == before.keys() - frozen


def test_only_the_newest_checkpoints_stay(whole):
    assert [one.step for one in checkpoints.saved(whole)] == [4, 6]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("at", [1, 3, 4])
def test_a_run_that_is_asked_to_stop_saves_and_goes_on_bit_for_bit(whole, rooms, tmp_path, at, name):
    out = tmp_path / "run"
    outcome, _ = run(recipe(), rooms, out, after=stop_after(at, name))
    assert (outcome.state, outcome.step, outcome.signal) == ("interrupted", at, name)
    assert json.loads((out / "status.json").read_text())["state"] == "interrupted"
    outcome, said = run(recipe(), rooms, out)
    assert f"continuing after step {at}" in said
    assert outcome.state == "finished"
    assert outcome.loss == pytest.approx(sum(losses(whole)) / STEPS)
    same(out, whole)
    assert len(json.loads((out / "run.json").read_text())["starts"]) == 2


def test_steps_after_the_last_checkpoint_are_done_again_and_their_lines_replaced(whole, rooms, tmp_path):
    out = tmp_path / "run"

    def fail(now):
        if now.step == 3:
            raise RuntimeError("the machine is gone")

    with pytest.raises(RuntimeError):
        run(recipe(), rooms, out, after=fail)
    assert [line["step"] for line in log(out)] == [1, 2, 3]
    with (out / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "loss": 9')  # torn in the middle of a write
    run(recipe(), rooms, out)
    same(out, whole)


def test_a_finished_run_is_not_done_again(whole, rooms):
    before = (whole / "model" / "model.safetensors").stat().st_mtime_ns
    outcome, said = run(recipe(), rooms, whole)
    assert outcome.state == "finished"
    assert any("is finished" in text for text in said)
    assert (whole / "model" / "model.safetensors").stat().st_mtime_ns == before


def test_a_folder_of_another_recipe_is_refused_and_restart_discards_it(rooms, tmp_path):
    out = tmp_path / "run"
    run(recipe(run={"max_steps": 2}), rooms, out)
    with pytest.raises(UsageError, match=r"optim.lr is 0.001, and was 0.002"):
        run(recipe(run={"max_steps": 2}, optim={"lr": 1e-3}), rooms, out)
    outcome, _ = run(recipe(run={"max_steps": 2}, optim={"lr": 1e-3}), rooms, out, restart=True)
    assert outcome.state == "finished"
    assert len(json.loads((out / "run.json").read_text())["starts"]) == 1


def test_a_run_that_saved_nothing_may_be_begun_with_another_recipe(rooms, tmp_path):
    def fail(now):
        raise RuntimeError("at once")

    with pytest.raises(RuntimeError):
        run(recipe(), rooms, tmp_path / "run", after=fail)
    _, said = run(recipe(optim={"lr": 1e-3}), rooms, tmp_path / "run")
    assert any("starting anew" in text for text in said)


def test_a_folder_that_holds_something_else_is_left_alone(rooms, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(UsageError, match="something else"):
        run(recipe(), rooms, tmp_path, restart=True)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_a_finished_run_stays_finished_when_its_checkpoints_are_removed(rooms, tmp_path):
    run(recipe(run={"max_steps": 2}), rooms, tmp_path)
    shutil.rmtree(tmp_path / "checkpoints")
    outcome, said = run(recipe(run={"max_steps": 2}), rooms, tmp_path)
    assert outcome.state == "finished"
    assert any("is finished" in text for text in said)
    assert (tmp_path / "model").is_dir()
    with pytest.raises(UsageError, match=r"optim.lr"):
        run(recipe(run={"max_steps": 2}, optim={"lr": 1.0}), rooms, tmp_path)


def test_checkpoints_without_the_record_of_their_run_are_not_gone_on_from(rooms, tmp_path):
    run(recipe(), rooms, tmp_path, after=stop_after(3))
    (tmp_path / "run.json").unlink()
    (tmp_path / "recipe.yaml").unlink()
    with pytest.raises(UsageError, match=r"record is gone|something else"):
        run(recipe(optim={"lr": 1e-3}), rooms, tmp_path)


def test_what_a_kill_left_is_swept_and_what_others_left_is_not(rooms, tmp_path):
    run(recipe(run={"max_steps": 2}), rooms, tmp_path)
    for name in ("..model.new.abcd1234", ".best.new", ".checkpoints.gone", ".login", ".modelcache"):
        (tmp_path / name).mkdir()
    (tmp_path / ".status.abcd_234.json").touch()
    run(recipe(run={"max_steps": 2}), rooms, tmp_path)
    assert sorted(path.name for path in tmp_path.glob(".*")) == [".login", ".modelcache"]


def test_other_weights_than_at_the_start_are_refused(rooms, tmp_path):
    run(recipe(run={"max_steps": 1}), rooms, tmp_path / "first")
    start = {"weights": str(tmp_path / "first" / "model"), "merger_hidden": 64}
    run(recipe(start=start), rooms, tmp_path / "run", after=stop_after(3))
    file = tmp_path / "first" / "model" / "model.safetensors"
    tensors = load_file(file)
    name = next(name for name in tensors if name.startswith("visual.") and tensors[name].dim() > 1)
    save_file({**tensors, name: tensors[name] + 1}, file, metadata={"format": "pt"})
    with pytest.raises(UsageError, match="another file than when this run began"):
        run(recipe(start=start), rooms, tmp_path / "run")


def test_samples_that_lose_frames_are_counted(rooms, tmp_path):
    what = recipe(
        data={"max_length": 150, "max_bad": 1000}, run={"max_steps": 10}, batch={"size": 16, "by_length": False}
    )
    _, said = run(what, rooms, tmp_path)
    shortened = sum(line["shortened"] for line in log(tmp_path))
    assert shortened > 0
    assert f"{shortened} samples lost frames to fit into data.max_length" in said


def test_a_measure_that_nobody_takes_costs_no_steps(rooms, tmp_path):
    def validate(model, processor, rank, world):
        return {"exact": 0.5}

    from vgcli_core.training.progress import Settings, Watch
    from vgcli_core.training.run import train

    said = []
    what = recipe(validation={"every": 2, "hold_out": 4, "best": "ground/acc@0.25", "generate": "rooms"})
    settings = Settings(rooms, tmp_path, device="cpu")
    outcome = train(what, settings, validate=validate, watch=Watch(say=said.append))
    assert outcome.state == "finished"
    assert any("there is exact, loss" in text for text in said)


def test_a_full_disk_costs_no_checkpoint_and_the_run_goes_on_later(whole, rooms, tmp_path, monkeypatch):
    out = tmp_path / "run"
    write = checkpoints.write_tensors

    def full(tensors, path):
        if "step-000004" in str(path) and "moments" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(tensors, path)

    monkeypatch.setattr(checkpoints, "write_tensors", full)
    with pytest.raises(OutputError, match="No space left"):
        run(recipe(run={"keep": 1}), rooms, out)
    assert [one.step for one in checkpoints.saved(out)] == [2]
    assert not list((out / "checkpoints").glob(".*"))
    status = json.loads((out / "status.json").read_text())
    assert (status["state"], status["error"]["kind"]) == ("failed", "OutputError")
    monkeypatch.undo()
    run(recipe(run={"keep": 1}), rooms, out)
    same(out, whole)


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_samples(rooms, tmp_path, monkeypatch):
    loss_sum = VGLLM.loss_sum
    calls = []

    def broken(self, inputs):
        calls.append(1)
        return loss_sum(self, inputs) * (float("nan") if len(calls) == 6 else 1.0)  # the second half of step 3

    monkeypatch.setattr(VGLLM, "loss_sum", broken)
    with pytest.raises(NonFiniteLoss, match="step 3") as caught:
        run(recipe(), rooms, tmp_path / "run")
    assert caught.value.where.count("room_") == 2
    assert [line["step"] for line in log(tmp_path / "run")] == [1, 2]


@pytest.fixture
def damaged(tmp_path) -> Path:
    """Rooms of which one frame is gone."""
    data = prepare_rooms(tmp_path / "data")
    frame = sorted((data / "rooms" / "frames" / "rooms").rglob("*.jpg"))[4]
    frame.write_bytes(frame.read_bytes()[:200])
    return data


def test_bad_samples_are_counted_and_named_and_do_not_stop_a_run(damaged, tmp_path):
    outcome, _ = run(recipe(run={"max_steps": 20}), damaged, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "bad.jsonl").read_text().splitlines()]
    assert outcome.bad == len(lines) > 0
    assert all("train.jsonl, line" in line["where"] for line in lines)
    missing = sum(line["samples"] < 4 for line in log(tmp_path / "run"))
    assert 0 < missing <= len(lines)


def test_more_bad_samples_than_the_recipe_allows_stop_a_run(damaged, tmp_path):
    with pytest.raises(DataError, match="the recipe allows 0"):
        run(recipe(run={"max_steps": 20}, data={"max_bad": 0}), damaged, tmp_path / "run")
    assert (tmp_path / "run" / "bad.jsonl").read_text()


def test_a_limit_that_is_lowered_below_what_was_left_out_stops_the_next_start(damaged, tmp_path):
    out = tmp_path / "run"
    outcome, _ = run(recipe(run={"max_steps": 20}), damaged, out, after=stop_after(19))
    assert outcome.bad > 0
    with pytest.raises(DataError, match="the recipe allows 0"):
        run(recipe(run={"max_steps": 20}, data={"max_bad": 0}), damaged, out)


def test_a_set_of_which_nothing_can_be_used_stops_a_run_at_once(rooms, tmp_path):
    with pytest.raises(DataError, match="none could so far"):
        run(recipe(data={"max_length": 20}), rooms, tmp_path / "run")


def test_a_held_out_part_of_which_nothing_can_be_used_has_no_loss(rooms, tmp_path, monkeypatch):
    from vgcli_core.training.trainer import Loop

    monkeypatch.setattr(Loop, "held_out", lambda self, stream: ({}, 6))
    _, said = run(recipe(validation={"every": 2, "hold_out": 6}), rooms, tmp_path / "run")
    assert "6 held-out samples could not be used" in said
    assert not (tmp_path / "run" / "best").exists()


def test_a_file_of_samples_that_is_not_the_prepared_one_is_refused(rooms, tmp_path):
    data = shutil.copytree(rooms, tmp_path / "data")
    file = data / "rooms" / "train.jsonl"
    text = file.read_text()
    file.write_text(text[: text.rfind("\n", 0, -1) + 1])  # without its last line
    with pytest.raises(DataError, match="samples, the manifest says"):
        run(recipe(), data, tmp_path / "run")
    file.write_text(text.replace("refrigerator", "refrigeration"))
    with pytest.raises(DataError, match="changed since it was prepared"):
        run(recipe(), data, tmp_path / "run")


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_serves(whole, rooms, tmp_path):
    out = tmp_path / "run"
    run(recipe(), rooms, out, after=stop_after(5))
    file = out / "checkpoints" / "step-000005" / "weights-00001.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match="of the newest checkpoint is damaged") as caught:
        run(recipe(), rooms, out)
    assert "the one before it serves" in caught.value.fix
    shutil.rmtree(file.parent)
    run(recipe(), rooms, out)
    same(out, whole)


def test_the_best_model_is_kept_by_what_is_measured(rooms, tmp_path):
    what = recipe(validation={"every": 2, "hold_out": 6})
    run(what, rooms, tmp_path / "run")
    measured = {line["step"]: line["validation"]["loss"] for line in log(tmp_path / "run") if "validation" in line}
    assert sorted(measured) == [2, 4, 6]
    best = checkpoints.saved(tmp_path / "run")[-1].state["best"]
    assert best == {"value": min(measured.values()), "step": min(measured, key=measured.get)}
    assert load_model(tmp_path / "run" / "best", Options(device="cpu"))[0].has_geometry


def test_a_resumed_run_measures_and_keeps_the_same(rooms, tmp_path):
    what = recipe(validation={"every": 2, "hold_out": 6})
    run(what, rooms, tmp_path / "whole")
    run(what, rooms, tmp_path / "run", after=stop_after(3))
    run(what, rooms, tmp_path / "run")
    same(tmp_path / "run", tmp_path / "whole")
    assert all(
        torch.equal(tensor, weights(tmp_path / "whole", "best")[name])
        for name, tensor in weights(tmp_path / "run", "best").items()
    )


@pytest.mark.parametrize("changes", [{"batch": {"micro": 4}}, {"batch": {"micro": 4, "packing": True}}])
def test_the_loss_does_not_depend_on_how_a_step_is_cut_into_micro_batches(whole, rooms, tmp_path, changes):
    run(recipe(**changes), rooms, tmp_path / "run")
    assert losses(tmp_path / "run") == pytest.approx(losses(whole), rel=1e-5)


def test_activations_computed_twice_change_nothing(whole, rooms, tmp_path):
    run(recipe(run={"checkpoint_gradients": True}), rooms, tmp_path / "run")
    assert losses(tmp_path / "run") == pytest.approx(losses(whole), rel=1e-6)


def test_a_best_model_without_a_checkpoint_yet_is_made_again(rooms, tmp_path):
    def fail(now):
        if now.step == 2:
            raise RuntimeError("the machine is gone")

    what = recipe(validation={"every": 1, "hold_out": 6}, run={"save_every": 100})
    with pytest.raises(RuntimeError):
        run(what, rooms, tmp_path, after=fail)
    assert (tmp_path / "best").is_dir()
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "failed"
    assert run(what, rooms, tmp_path)[0].state == "finished"


def test_adapters_are_merged_into_a_model_that_needs_none(rooms, tmp_path):
    pytest.importorskip("peft")
    what = recipe(trained={"language_model": "lora"}, lora={"rank": 4, "alpha": 8})
    out = tmp_path / "run"
    run(what, rooms, out, after=stop_after(3))
    run(what, rooms, out)
    run(what, rooms, tmp_path / "whole")
    same(out, tmp_path / "whole")
    assert not any("lora" in name for name in weights(out))
    assert json.loads((out / "adapter" / "adapter_config.json").read_text())["r"] == 4
    assert load_file(out / "adapter" / "adapter_model.safetensors")
    load_model(out / "model", Options(device="cpu"))


def test_the_plain_backbone_is_one_word(rooms, tmp_path):
    run(recipe(start={"geometry_encoder": "none"}), rooms, tmp_path / "run")
    assert not any("geometry" in name for name in weights(tmp_path / "run"))


def test_sixteen_samples_are_learnt_to_the_letter(rooms, tmp_path):
    data = few_answers(rooms, tmp_path / "data", 16)
    what = recipe(
        start={"frame_width": 56},
        run={"max_steps": 110, "epochs": 110, "save_every": 500},
        batch={"size": 16, "micro": 16},
        optim={"lr": 8e-3},
    )
    run(what, data, tmp_path / "run", cache=tmp_path / "features")
    folder = tmp_path / "run" / "model"
    model, _ = load_model(folder, Options(device="cpu"))
    found, learnt = answers_of(model, Processor(load_tokenizer(folder), frame_width=56), data)
    assert found == learnt
