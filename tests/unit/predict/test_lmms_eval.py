"""The model of lmms-eval, against a stand-in for lmms-eval 0.7.3: how it is found, made, asked and cleaned up."""

import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.unit.predict.lmms_eval_stand_in import SETTINGS, Instance, Lmms, ModelManifest, Task
from vgcli_core import load
from vgcli_core.errors import MediaError, UnknownName, UsageError, VgllmError
from vgcli_core.media.frames import read_frames
from vgcli_core.media.sampling import Sampling
from vgcli_core.media.write import write_video
from vgcli_core.model.save import save_model
from vgcli_core.model.tiny import tiny_model
from vgcli_core.predict import lmms_eval
from vgcli_core.text.questions import Question

FRAMES = 3
TEXTS = ["where is the sink?", "how many chairs are there?", "what is this room?"]


@pytest.fixture(scope="module", autouse=True)
def library() -> Iterator[None]:
    """Put the stand-in where `import lmms_eval` looks."""
    contents: dict[str, dict[str, Any]] = {
        "lmms_eval": {},
        "lmms_eval.api": {},
        "lmms_eval.api.model": {"lmms": Lmms},
        "lmms_eval.models": {},
        "lmms_eval.models.registry_v2": {"ModelManifest": ModelManifest},
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, inside in contents.items():
            module = ModuleType(name)
            vars(module).update(inside, __path__=[])
            patch.setitem(sys.modules, name, module)
        yield
    lmms_eval._model_class.cache_clear()


def get_model(repository: Path, *, force_simple: bool = False) -> type[Any]:
    """Find and check the class as lmms-eval's registry does."""
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ((name, value),) = project["entry-points"]["lmms_eval.models"].items()
    manifest = EntryPoint(name, value, "lmms_eval.models").load()()
    assert isinstance(manifest, ModelManifest)
    assert manifest.model_id == name
    path = manifest.simple_class_path if force_simple else manifest.chat_class_path
    module, _, attribute = path.rpartition(".")
    found = getattr(import_module(module), attribute)
    assert issubclass(found, Lmms)
    assert found.is_simple is force_simple
    return found


@pytest.fixture(scope="module", params=["chat", "simple"])
def model(request, repository) -> Any:
    made = get_model(repository, force_simple=request.param == "simple")
    return made.create_from_arg_string(
        f"pretrained=tiny,num_frames={FRAMES},dtype=float32",
        {"batch_size": "2", "max_batch_size": None, "device": "cpu"},
    )


@pytest.fixture(scope="module")
def predictor():
    return load("tiny", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    for name in ("one.mp4", "two.mp4"):
        base = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
        write_video(folder / name, [np.roll(base, 7 * i, axis=1) for i in range(12)], 10.0)
    return [str(folder / "one.mp4"), str(folder / "two.mp4")]


def expected(predictor: Any, video: str, texts: list[str], limit: int = 12) -> list[str]:
    asked = [Question(text, "ask") for text in texts]
    sampling = Sampling(num_frames=FRAMES)
    result = predictor.answer(video, asked, sampling=sampling, raw_prompt=True, max_new_tokens=limit)
    return [answer.text for answer in result.answers]


def test_answers_are_those_of_raw_prompts_in_order_and_each_video_is_encoded_once(model, predictor, videos):
    task = Task([([videos[i % 2]], text) for text in TEXTS for i in range(2)])
    counts = model.predictor.model.counts
    before = counts.encoder_calls, counts.prefix_runs
    found = task.answers(model)
    assert (counts.encoder_calls - before[0], counts.prefix_runs - before[1]) == (2, 2)
    assert found[::2] == expected(predictor, videos[0], TEXTS)
    assert found[1::2] == expected(predictor, videos[1], TEXTS)
    assert len(set(found)) > 2, "a model that says one thing proves nothing"
    kept = model.cache_hook.added[-len(found) :]
    assert Counter(text for _, _, text in kept) == Counter(found)
    assert {(name, asked[1]["max_new_tokens"]) for name, asked, _ in kept} == {("generate_until", 12)}


def test_pictures_arrays_readers_and_lists_show_the_frames_of_the_video(repository, predictor, videos):
    frames = read_frames(videos[0], Sampling(num_frames=FRAMES)).images
    every = np.stack(read_frames(videos[0], Sampling(num_frames=12)).images)

    class Reader:
        def __len__(self) -> int:
            return len(every)

        def get_batch(self, places: list[int]) -> Any:
            batch = ModuleType("batch")
            batch.asnumpy = lambda: every[places]
            return batch

    simple = get_model(repository, force_simple=True)(
        pretrained="tiny", num_frames=FRAMES, dtype="float32", device="cpu"
    )
    pictures = [Image.fromarray(frame) for frame in frames]
    kinds = [pictures, [pictures], [pictures[0], pictures[1:]], [every], [Reader()], list(frames), [Path(videos[0])]]
    found = Task([(visuals, TEXTS[0]) for visuals in kinds]).answers(simple)
    assert found == expected(predictor, videos[0], TEXTS[:1]) * len(kinds)
    assert simple.predictor.model.counts.encoder_calls == 3, "pictures, clips and paths are a group each"


def test_text_between_pictures_and_a_system_prompt_reach_the_model_in_their_places(repository, videos):
    chat = get_model(repository)(pretrained="tiny", dtype="float32", device="cpu", batch_size=8)
    pictures = [Image.fromarray(frame) for frame in read_frames(videos[0], Sampling(num_frames=2)).images]
    first, second = ({"type": "image", "url": picture} for picture in pictures)

    def text(words: str) -> dict[str, str]:
        return {"type": "text", "text": words}

    turns = [
        [[first, second, text("what?")]],
        [[text("Frame-0: "), first, text("Frame-1: "), second, text("what?")]],
        [[text("Be brief."), text("Be right.")], [first, second, text("wh"), text("at?")]],
    ]
    messages = [
        [{"role": role, "content": parts} for role, parts in zip(("system", "user")[-len(turn) :], turn, strict=True)]
        for turn in turns
    ]
    prompts: list[str] = []
    processor = chat.predictor.processor
    interleaved, question = processor.interleaved, processor.question
    marks = processor.ids["<|image_pad|>"]

    def spy(*words: Any, **options: Any) -> list[int]:
        ids = interleaved(*words, **options)
        prompts.append(processor.tokenizer.decode([i for i in ids if i != marks]))
        return ids

    processor.interleaved = spy
    processor.question = lambda words: (prompts.append(words), question(words))[1]
    chat.task_dict = {"mine": {"test": messages}}
    chat.generate_until([Instance(("", lambda doc: doc, SETTINGS, i, "mine", "test")) for i in range(3)])
    frame = "<|vision_start|><|vision_end|>"
    head = "<|im_start|>system\n{}<|im_end|>\n<|im_start|>user\n"
    usual = head.format("You are a helpful assistant.")
    assert prompts[0::2] == [
        usual + frame + frame,
        f"{usual}Frame-0: {frame}Frame-1: {frame}",
        head.format("Be brief.Be right.") + frame + frame,
    ]
    assert prompts[1::2] == ["what?"] * 3
    assert chat.predictor.model.counts.encoder_calls == 1


def test_limits_and_stop_texts_hold(model, predictor, videos):
    (whole,) = expected(predictor, videos[0], TEXTS[:1])
    middle = whole[len(whole) // 2]
    docs = [([videos[0]], TEXTS[0])]
    assert Task(docs, {**SETTINGS, "until": middle}).answers(model) == [whole.split(middle)[0]]
    assert Task(docs, {**SETTINGS, "until": ["", "not there", middle]}).answers(model) == [whole.split(middle)[0]]
    short = Task(docs, {**SETTINGS, "until": None, "max_new_tokens": 2}).answers(model)
    assert short == expected(predictor, videos[0], TEXTS[:1], limit=2)
    assert len(short[0]) < len(whole)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"temperature": 0.2}, "sampling"),
        ({"do_sample": True}, "sampling"),
        ({"num_beams": 3}, "beam"),
        ({"until": 3}, "stop at"),
        ({"max_new_tokens": 0}, "no room"),
    ],
)
def test_settings_that_greedy_answers_cannot_follow_are_refused(model, videos, settings, words):
    with pytest.raises(UsageError, match=words):
        Task([([videos[0]], TEXTS[0])], settings).answers(model)


@pytest.mark.parametrize("settings", [{"temperature": 0.0, "do_sample": True}, {"temperature": 1, "do_sample": False}])
def test_settings_that_amount_to_greedy_answers_are_taken(model, videos, settings):
    docs = [([videos[0]], TEXTS[0])]
    assert Task(docs, {"max_new_tokens": 12, **settings}).answers(model) == Task(docs).answers(model)


@pytest.mark.parametrize(
    ("visual", "words"),
    [
        ({"array": np.zeros(8), "sampling_rate": 16000}, "type dict"),
        (np.zeros((4, 40, 40), dtype=np.uint8), "neither a picture nor a video"),
        (np.zeros((40, 40, 3)), "neither a picture nor a video"),
        (Image.new("F", (40, 40)), "floating-point"),
        ("nowhere.mp4", "nowhere.mp4"),
        ("data:image/png;base64,AAAA", "in the place of an address"),
        ("https://somewhere/clip.mp4", "an address, not a file"),
    ],
)
def test_visuals_that_cannot_be_shown_are_refused(model, visual, words):
    with pytest.raises(MediaError, match=words):
        Task([([visual], TEXTS[0])]).answers(model)


def test_questions_without_visuals_are_refused(model):
    with pytest.raises(UsageError, match="without any visual"):
        Task([([], TEXTS[0])]).answers(model)


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "more than one turn"),
        ([{"role": "system", "content": [{"type": "video", "url": "a.mp4"}]}], "system prompt"),
        ([{"role": "user", "content": [{"type": "audio", "url": "a.wav"}]}], "audio"),
        ([{"role": "user", "content": [{"type": "video", "url": "a.mp4", "start_time": 2.0}]}], "parts of videos"),
    ],
)
def test_messages_that_cannot_be_shown_are_refused(repository, messages, words):
    chat = get_model(repository)(pretrained="tiny", device="cpu")
    chat.task_dict = {"mine": {"test": [messages]}}
    with pytest.raises(VgllmError, match=words) as refused:
        chat.generate_until([Instance(("", lambda doc: doc, SETTINGS, 0, "mine", "test"))])
    assert refused.value.where == "task mine, split test, document 0"


@pytest.mark.parametrize("method", ["loglikelihood", "generate_until_multi_round"])
def test_what_the_model_does_not_do_is_refused_as_lmms_eval_expects(model, method):
    with pytest.raises(NotImplementedError, match="choose tasks of generate_until"):
        getattr(model, method)([])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("pretraind=a", "did you mean 'pretrained'"),
        ("num_frames=many", "num_frames is 'many'"),
        ("num_frames=true", "num_frames is True"),
        ("batch_size=0", "batch_size is 0"),
        ("offline=perhaps", "offline is 'perhaps'"),
        ("pretrained=nowhere/at/all", "nowhere"),
        ("dtype=int3", "int3"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(repository, words, message):
    with pytest.raises(VgllmError) as refused:
        get_model(repository).create_from_arg_string(words, {"device": "cpu"})
    assert message in str(refused.value)
    assert isinstance(refused.value, UnknownName) is ("mean" in message)


def test_arguments_reach_the_model(repository, monkeypatch, tmp_path, videos):
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    words = f"pretrained=tiny,num_frames=2,dtype=bfloat16,cache_features={tmp_path}"
    made = get_model(repository).create_from_arg_string(words, {"batch_size": "auto", "max_batch_size": 5})
    assert (made.num_frames, made.batch_size, made.rank, made._world_size) == (2, 5, 3, 4)
    assert (str(made.device), made.predictor.info().dtype) == ("cpu", "bfloat16")
    Task([([videos[0]], TEXTS[0])]).answers(made)
    assert list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize(("trained_on", "shown"), [(4, 4), (None, 32)])
def test_without_a_number_of_frames_a_model_sees_as_many_as_it_was_trained_on(repository, tmp_path, trained_on, shown):
    model, tokenizer = tiny_model()
    model.config = model.config.model_copy(update={"num_frames": trained_on})
    folder = save_model(model, tmp_path / "model", tokenizer=tokenizer)
    chat = get_model(repository)
    assert chat(pretrained=str(folder), device="cpu").num_frames == shown
    assert chat(pretrained=str(folder), device="cpu", num_frames=6).num_frames == 6


def test_each_of_several_processes_has_its_own_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    several = {"WORLD_SIZE": "4", "LOCAL_RANK": "2"}
    cases = [("auto", several), ("cuda", several), ("cpu", several), ("auto", {})]
    assert [lmms_eval._own_device(*case) for case in cases] == ["cuda:2", "cuda:2", "cpu", "auto"]


def test_remarks_are_logged_once_each(repository, caplog, tmp_path):
    chat = get_model(repository)(pretrained="tiny", device="cpu", num_frames=2)
    tall = [Image.fromarray(np.full((200, 100, 3), shade, dtype=np.uint8)) for shade in (0, 99)]
    Task([([picture], TEXTS[0]) for picture in tall]).answers(chat)
    assert [record.message[:9] for record in caplog.records] == ["untrained", "portrait:"]


def test_clean_lets_go_of_the_model(repository):
    made = get_model(repository)(pretrained="tiny", device="cpu")
    made.clean()
    assert made.cleaned
    assert not hasattr(made, "predictor")
    assert str(made.device) == "cpu"


def test_without_lmms_eval_it_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "lmms_eval.models.registry_v2", None)
    with pytest.raises(UsageError, match="lmms-eval cannot be used"):
        lmms_eval.manifest()
    with pytest.raises(AttributeError, match="VgllmOther"):
        _ = lmms_eval.VgllmOther
