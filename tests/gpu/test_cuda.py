"""What only a GPU can show: the same answers in float32, close features in bfloat16, flash-attn where installed."""

from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from tests.unit.evaluation.sets import question, write_set
from vgcli_core.media.sampling import Sampling
from vgcli_core.model.answer import Answerer
from vgcli_core.model.checkpoint import LoadReport
from vgcli_core.model.frames_ahead import FramesAhead, look
from vgcli_core.model.tiny import tiny_model
from vgcli_core.predict.loading import load
from vgcli_core.predict.pipeline import Predictor
from vgcli_core.text.questions import Question

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]
FOUR = Sampling(num_frames=4)
QUESTIONS = [Question("where is the sink?"), Question("how many chairs are there?"), Question("what is this room?")]


@pytest.fixture(scope="module")
def video(repository: Path) -> Path:
    return repository / "examples" / "rooms" / "kitchen.mp4"


@pytest.fixture(autouse=True)
def exact_matrix_products():
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32 = before


def test_float32_answers_are_those_of_the_cpu(video):
    there = load("tiny", device="cuda", dtype="float32").answer(video, QUESTIONS, sampling=FOUR)
    here = load("tiny", device="cpu").answer(video, QUESTIONS, sampling=FOUR)
    assert [a.text for a in there.answers] == [a.text for a in here.answers]
    assert there.model.device.startswith("cuda")


def test_bfloat16_features_stay_close_to_float32():
    exact, _ = tiny_model(frame_width=518)
    frames = torch.rand(4, 3, 392, 518, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        a = exact.geometry_features(frames)
        b = exact.to("cuda", torch.bfloat16).geometry_features(frames.cuda()).cpu()
    assert float((a - b).abs().mean()) < 0.03 * float(a.abs().mean())


def test_many_questions_on_a_gpu_encode_the_video_once(video):
    network, tokenizer = tiny_model(frame_width=518)
    model = Predictor(network.cuda(), tokenizer, LoadReport(Path(), "generation-2", 1), name="tiny")
    result = model.answer(video, QUESTIONS * 3, sampling=FOUR)
    assert result.counts["encoder_calls"] == 1


def test_questions_of_a_benchmark_have_the_answers_of_the_cpu_while_frames_are_read_ahead(tmp_path):
    samples = [question(number, scene=number // 3) for number in range(9)]
    root = write_set(tmp_path, samples) / "vsi_bench"
    found = {}
    for device in ("cuda", "cpu"):
        predictor = load("tiny", device=device, dtype="float32", cache_features=tmp_path / "cache" / device)
        width, decoding = predictor.processor.frame_width, {"ask": predictor.decoding(8)}
        ask = partial(Answerer, predictor.model, predictor.processor, decoding=decoding, batch_size=2)
        # Frames are read by processes that start while this one holds a GPU.
        with FramesAhead([(root, one) for one in samples[::3]], width=width, workers=2) as frames:
            together = ask(frames, cache=predictor.cache)
            found[device] = [text for first in (0, 3, 6) for text in together(samples[first : first + 3])]
        assert predictor.model.counts.encoder_calls == 3
        assert found[device] == ask(partial(look, root=root, width=width)).one_by_one(samples)
    assert found["cuda"] == found["cpu"]


@pytest.mark.skipif(find_spec("flash_attn") is None, reason="flash-attn is not installed")
def test_flash_attention_is_taken_by_auto_and_reported(video):
    model = load("tiny", device="cuda", dtype="bfloat16")
    assert model.info().attention == "flash_attention_2"
    assert model.answer(video, QUESTIONS, sampling=FOUR).answers


@pytest.mark.skipif(find_spec("flash_attn") is None, reason="flash-attn is not installed")
def test_packed_rows_mean_the_same_to_flash_attention():
    model, _ = tiny_model(dtype=torch.bfloat16)
    model.to("cuda")
    segments = torch.tensor([[0] * 5 + [1] * 9 + [2] * 3], device="cuda")
    embeds = model.backbone.embed(torch.arange(17, device="cuda")[None])
    positions = torch.cat([torch.arange(n, device="cuda") for n in (5, 9, 3)]).expand(3, 1, -1)
    states = {}
    for attention in ("sdpa", "flash_attention_2"):
        model.backbone.model.set_attn_implementation(attention)
        with torch.no_grad():
            states[attention] = model.backbone.hidden(embeds, positions=positions, segments=segments)
    difference = (states["sdpa"] - states["flash_attention_2"]).float()
    assert difference.norm() / states["sdpa"].float().norm() < 0.02
