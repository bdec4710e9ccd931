"""Asking: one pass over the frames, answers that do not depend on company, notes, counts and refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vgcli_core import load
from vgcli_core.errors import CheckpointError, ConventionError, MediaError, UnknownName, UsageError
from vgcli_core.media.sampling import Sampling
from vgcli_core.media.write import write_video
from vgcli_core.predict.drawing import Drawing
from vgcli_core.predict.pipeline import Predictor
from vgcli_core.text.questions import Question

QUESTIONS = [
    Question("where is the sink?"),
    Question("how many chairs are there?"),
    Question("Is the door open?", options=("yes", "no")),
    Question("the red mug on the table next to the window", "ground"),
    Question("0.4 -0.1 2.3", "caption"),
    Question("what is this room?"),
]
SIX = Sampling(num_frames=6)


@pytest.fixture(scope="module")
def model() -> Predictor:
    return load("tiny", device="cpu")


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    rng = np.random.default_rng(0)
    base = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
    write_video(path, [np.roll(base, 7 * i, axis=1) for i in range(50)], 10.0)
    return path


def test_answers_are_the_same_alone_in_company_and_in_any_batch(model, video):
    together = model.answer(video, QUESTIONS, sampling=SIX)
    pairs = model.answer(video, QUESTIONS, sampling=SIX, batch_size=2)
    alone = [model.answer(video, [q], sampling=SIX).answers[0] for q in QUESTIONS]
    assert [a.text for a in together.answers] == [a.text for a in alone] == [a.text for a in pairs.answers]
    assert [a.new_tokens for a in together.answers] == [a.new_tokens for a in alone]
    assert len({a.text for a in alone}) > 1, "a model that says one thing proves nothing"


def test_the_video_is_encoded_once_and_its_prefix_read_once_per_prompt_layout(model, video):
    many = model.answer(video, QUESTIONS, sampling=SIX).counts
    assert (many["encoder_calls"], many["frames_encoded"], many["prefix_runs"]) == (1, 6, 2)
    one = model.answer(video, QUESTIONS[:1], sampling=SIX).counts
    assert (one["encoder_calls"], one["frames_encoded"], one["prefix_runs"]) == (1, 6, 1)


def test_cached_features_give_the_same_answers_and_no_frame_is_encoded_again(video, tmp_path):
    plain = load("tiny", device="cpu").answer(video, QUESTIONS, sampling=SIX)
    for calls, frames in ((1, 6), (0, 0)):  # another process finds what the first one left
        again = load("tiny", device="cpu", cache_features=tmp_path).answer(video, QUESTIONS, sampling=SIX)
        assert [a.text for a in again.answers] == [a.text for a in plain.answers]
        assert (again.counts["encoder_calls"], again.counts["frames_encoded"]) == (calls, frames)
    fewer = load("tiny", device="cpu", cache_features=tmp_path).answer(
        video, QUESTIONS[:1], sampling=Sampling(num_frames=5)
    )
    other = load("tiny", device="cpu", cache_features=tmp_path, seed=1).answer(video, QUESTIONS[:1], sampling=SIX)
    assert fewer.counts["encoder_calls"] == other.counts["encoder_calls"] == 1, "other frames, other weights"


def test_a_shared_prefix_gives_the_tokens_of_the_whole_prompt_in_one_pass(model, video):
    import torch

    from vgcli_core.media.frames import read_frames
    from vgcli_core.model.generate import Decoding, greedy
    from vgcli_core.model.positions import multimodal_positions

    pixels = model.processor.pixels(read_frames(video, SIX))
    answer = model.ask(video, "how many chairs are there?", sampling=SIX).answers[0]
    ids = model.processor.prompt(answer.prompt, pixels.grid_thw, frame_names=False)
    row = torch.tensor([ids])
    network = model.model
    with torch.inference_mode():
        fused = network.image_tokens(pixels.pixel_values, pixels.grid_thw, [pixels.geometry_frames])
        embeds = network.place(network.backbone.embed(row), row, fused)
        positions, _ = multimodal_positions(ids, pixels.grid_thw, network.backbone.image_token_id)
        stop = frozenset({model.processor.ids["<|im_end|>"]})
        found = greedy(
            network,
            embeds,
            mask=torch.ones_like(row),
            positions=positions[:, None],
            seen=[ids],
            decoding=[Decoding(answer.max_new_tokens, stop)],
        )
    assert model.processor.decode(found[0]) == answer.text


def test_a_penalty_counts_the_whole_prompt_prefix_included(model, video):
    """Through transformers' own rule, over all ids of the prompt and the answer so far."""
    import torch
    from transformers import RepetitionPenaltyLogitsProcessor

    from vgcli_core.media.frames import read_frames
    from vgcli_core.model.positions import multimodal_positions

    result = model.ask(video, "what is this room?", sampling=SIX, max_new_tokens=12, repetition_penalty=1.4)
    answer = result.answers[0]
    network = model.model
    pixels = model.processor.pixels(read_frames(video, SIX))
    ids = model.processor.prompt(answer.prompt, pixels.grid_thw, frame_names=False)
    rule = RepetitionPenaltyLogitsProcessor(1.4)
    new: list[int] = []
    with torch.inference_mode():
        fused = network.image_tokens(pixels.pixel_values, pixels.grid_thw, [pixels.geometry_frames])
        while len(new) < answer.new_tokens:
            row = torch.tensor([ids + new])
            positions, _ = multimodal_positions(ids + new, pixels.grid_thw, network.backbone.image_token_id)
            embeds = network.place(network.backbone.embed(row), row, fused)
            hidden = network.backbone.hidden(embeds, positions=positions[:, None])
            new.append(int(rule(row, network.backbone.logits(hidden[:, -1])).argmax()))
    assert model.processor.decode(new) == answer.text
    assert answer.text != model.ask(video, "what is this room?", sampling=SIX, max_new_tokens=12).text


def test_every_end_token_of_the_checkpoint_ends_an_answer(model, video):
    plain = model.ask(video, "what is this room?", sampling=SIX, max_new_tokens=12)
    config = model.model.backbone.model.generation_config
    saved = config.eos_token_id
    first = model.processor.text(plain.text)[0]
    config.eos_token_id = [saved, first]
    try:
        short = model.ask(video, "what is this room?", sampling=SIX, max_new_tokens=12).answers[0]
    finally:
        config.eos_token_id = saved
    assert short.new_tokens < plain.answers[0].new_tokens
    assert short.complete


def test_geometry_frames_reach_the_answer(model, video):
    import torch

    before = model.ask(video, "what is this room?", sampling=SIX, max_new_tokens=40).text
    merger = model.model.geometry_merger.mlp[2]
    saved = merger.weight.detach().clone()
    with torch.no_grad():
        merger.weight.mul_(400)
    try:
        assert model.ask(video, "what is this room?", sampling=SIX, max_new_tokens=40).text != before
    finally:
        with torch.no_grad():
            merger.weight.copy_(saved)


def test_the_default_frames_follow_the_task(model, video):
    asked = model.ask(video, "how many chairs?")
    assert len(asked.frames) == 32
    assert [f.index for f in asked.frames[:3]] == [0, 1, 3]
    detected = model.ask(video, task="detect", max_new_tokens=5)
    assert [f.time for f in detected.frames] == pytest.approx([0.0, 1.0, 2.0, 3.0])
    assert any("up to 4 frames" in note for note in detected.notes)
    later = model.ask(video, task="detect", max_new_tokens=5, sampling=Sampling(start=1.5))
    assert [f.time for f in later.frames] == pytest.approx([1.5, 2.5, 3.5, 4.5])


def test_tasks_with_different_frames_share_one_result_whose_frame_numbers_stay_unique(model, video):
    result = model.answer(video, [Question("how many chairs?"), Question(task="detect")], max_new_tokens=5)
    assert len(result.frames) == 36
    assert [f.position for f in result.frames] == list(range(36))
    assert result.answers[0].frames == tuple(range(32))
    assert result.answers[1].frames == (32, 33, 34, 35)
    assert result.counts["encoder_calls"] == 2


def test_the_result_is_strict_json_that_can_be_understood_alone(model, video):
    result = model.ask(video, "where is the sink?", sampling=SIX)
    plain = json.loads(result.to_json(), parse_constant=lambda name: pytest.fail(f"not strict JSON: {name}"))
    assert plain["schema"] == "vgllm.prediction/1"
    assert plain["conventions"]["euler"].startswith("intrinsic ZXY")
    answer = plain["answers"][0]
    assert answer["prompt"].endswith("in the frame's coordinates.\n")
    assert "Text: The sink.\n" in answer["prompt"]
    assert answer["frame_names"] is True
    assert plain["model"]["untrained"] is True
    assert plain["model"]["attention"] == "sdpa"
    assert {"torch", "transformers", "vgllm"} <= set(plain["versions"])
    assert plain["timings"]["encode"] > 0
    assert "<table>" in result._repr_html_()


def test_a_result_prints_as_a_few_lines(model, video):
    from dataclasses import replace

    from vgcli_core.geometry.boxes import OrientedBox
    from vgcli_core.predict.result import FoundBox

    result = model.ask(video, "where is the sink?", sampling=SIX)
    box = FoundBox(OrientedBox((0.1, -0.2, 2.0), (0.5, 0.6, 0.7), (0.0, 0.0, 0.0), "The sink"), 3, 1.25)
    found = replace(result, answers=(replace(result.answers[0], boxes=(box,)),))
    assert str(found).splitlines() == [
        "(untrained weights: the answers mean nothing)",
        "where is the sink?: The sink at (0.10 -0.20 2.00) m, size (0.50 0.60 0.70) m, "
        "in the camera of frame 3 (1.25 s)",
    ]


def test_a_file_name_that_is_not_utf8_still_gives_json_that_a_file_can_hold(model, video):
    from dataclasses import replace

    result = replace(model.ask(video, "what?", sampling=SIX), source="clip\udcff\u202e.mp4")
    text = result.to_json()
    assert json.loads(text.encode("utf-8"))["source"] == result.source


def test_a_box_answer_is_read_in_the_convention_of_the_checkpoint():
    from scipy.spatial.transform import Rotation

    from vgcli_core.predict.reading import Generated, read_answer
    from vgcli_core.text.questions import plan

    asked = plan(Question("where is the sink?"), 1)
    text = '```json\n\t{"frame": 2, "bbox_3d": [0.1, 0.2, 1.5, 0.6, 0.5, 0.4, 0.3, -0.5, 1.1]}\n```'
    generated = Generated(text, 40, True, 100)
    times = [0.0, 0.5, 1.0]
    new = read_answer(asked, generated, frames=[4, 5, 6], times=times, convention="ZXY").boxes[0]
    old = read_answer(asked, generated, frames=[4, 5, 6], times=times, convention="zxy").boxes[0]
    assert (new.frame, new.time, new.box.label) == (6, 1.0, "The sink")
    np.testing.assert_allclose(new.box.angles, [0.3, -0.5, 1.1], atol=1e-9)
    found = Rotation.from_euler("ZXY", old.box.angles).as_matrix()
    np.testing.assert_allclose(found, Rotation.from_euler("zxy", [0.3, -0.5, 1.1]).as_matrix(), atol=1e-9)


def test_unusable_answers_are_counted_and_explained():
    from vgcli_core.predict.reading import Generated, read_answer
    from vgcli_core.text.questions import plan

    asked = plan(Question("where is the sink?"), 2)
    text = '{"frame": 9, "bbox_3d": [0, 0, 1, 1, 1, 1, 0, 0, 0]}'
    answer = read_answer(asked, Generated(text, 9, True, 100), frames=[0], times=[0.0], convention="ZXY")
    assert answer.status == "invalid"
    assert answer.boxes == ()
    assert answer.unusable


def test_boxes_of_a_model_nobody_knows_the_convention_of_are_refused_before_any_work(model):
    from vgcli_core.model.checkpoint import LoadReport

    unknown = model.model.config.model_copy(update={"euler_convention": None, "prompt_revision": None})
    other = Predictor(model.model, model.processor.tokenizer, LoadReport(Path("x"), "plain", 1), name="x")
    known = model.model.config
    model.model.config = unknown
    try:
        with pytest.raises(ConventionError, match="angles") as caught:
            other.ask("no-such-file.mp4", "where is the sink?")
        assert "--euler-convention" in caught.value.fix
        with pytest.raises(MediaError):
            other.ask("no-such-file.mp4", "how many chairs are there?")
    finally:
        model.model.config = known


def test_stating_only_the_convention_brings_the_prompts_that_belong_to_it():
    old = load("tiny", device="cpu", euler_convention="zxy").model.config
    assert (old.euler_convention, old.prompt_revision) == ("zxy", 1)


def test_portrait_frames_say_what_is_cut_and_pad_keeps_it(model, tmp_path):
    tall = np.random.default_rng(1).integers(0, 255, (640, 360, 3), dtype=np.uint8)
    Image.fromarray(tall).save(tmp_path / "tall.png")
    cut = model.ask(tmp_path / "tall.png", "what is this?")
    assert any("portrait" in note and "22%" in note for note in cut.notes), cut.notes
    assert model.ask(tmp_path / "tall.png", "what is this?", fit="pad").notes == ()


def test_the_trained_width_runs_end_to_end(video):
    """The real resolution through the real classes: 518 pixels wide, 252 tokens for a 4:3 frame."""
    from vgcli_core.model.checkpoint import LoadReport
    from vgcli_core.model.tiny import tiny_model

    network, tokenizer = tiny_model(frame_width=518)
    predictor = Predictor(network, tokenizer, LoadReport(Path(), "generation-2", 1), name="wide")
    result = predictor.ask(video, "how many chairs are there?", sampling=Sampling(num_frames=2))
    assert result.counts["image_tokens"] == 2 * 252


def test_a_repetition_penalty_of_the_checkpoint_stays_in_force_and_can_be_overridden(model, video):
    plain = model.ask(video, "what is this room?", sampling=SIX, max_new_tokens=30)
    assert plain.generation["repetition_penalty"] == 1.0
    model.model.backbone.model.generation_config.repetition_penalty = 1.5
    try:
        kept = model.ask(video, "what is this room?", sampling=SIX, max_new_tokens=30)
        off = model.ask(video, "what is this room?", sampling=SIX, max_new_tokens=30, repetition_penalty=1.0)
    finally:
        model.model.backbone.model.generation_config.repetition_penalty = None
    assert kept.generation["repetition_penalty"] == 1.5
    assert kept.text != plain.text
    assert off.text == plain.text


@pytest.mark.parametrize(
    ("options", "message"),
    [({"max_new_tokens": 0}, "no room"), ({"repetition_penalty": -1.0}, "penalty")],
)
def test_impossible_limits_are_refused(model, video, options, message):
    with pytest.raises(UsageError, match=message):
        model.ask(video, "what?", **options)


def test_a_prediction_is_written_in_3d_with_the_camera_of_training(video, tmp_path):
    predictor = load("tiny", device="cpu")
    predictor.model.config = predictor.model.config.model_copy(update={"horizontal_fov": 75.0})
    files = (tmp_path / "a.json", tmp_path / "deep" / "b.glb")
    result = predictor.ask(video, "where is the sink?", sampling=SIX, max_new_tokens=1, drawing=Drawing(views=files))
    assert result.drawn == tuple(map(str, files))
    assert result.intrinsics.source == "assumed"
    assert result.intrinsics.fx == pytest.approx(80 / np.tan(np.radians(37.5)))
    plain = json.loads(files[0].read_text(encoding="utf-8"))
    assert [one["position"] for one in plain["coordinate_frames"]] == [0, 1, 2, 3, 4, 5]
    assert "clip.mp4: where is the sink?" in plain["scene"]
    assert "random weights mean nothing" in plain["scene"]
    assert files[1].read_bytes()[:4] == b"glTF"


def test_a_view_that_cannot_be_written_is_refused_before_anything_is_encoded(model, video, tmp_path):
    counts = model.model.counts
    with pytest.raises(UnknownName):
        model.ask(video, "where is the sink?", drawing=Drawing(views=(tmp_path / "a.stl",)))
    assert model.model.counts is counts


def test_the_folder_of_a_run_is_not_a_model(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(CheckpointError, match="training run") as caught:
        load(tmp_path, device="cpu")
    assert "finish the run" in caught.value.fix
    (tmp_path / "model").mkdir()
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path, device="cpu")
    assert caught.value.fix == f"give {tmp_path / 'model'}"


def test_a_model_that_always_saw_as_many_frames_sees_as_many_for_every_task(video):
    predictor = load("tiny", device="cpu")
    predictor.model.config = predictor.model.config.model_copy(update={"num_frames": 3})
    asked = [Question("how many chairs are there?"), Question(task="detect")]
    result = predictor.answer(video, asked, max_new_tokens=1)
    assert len(result.frames) == 3
    assert any("3 evenly spaced frames, as in this model's training" in note for note in result.notes)
    assert len(predictor.answer(video, asked[:1], sampling=Sampling(num_frames=2), max_new_tokens=1).frames) == 2
