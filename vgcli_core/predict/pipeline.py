"""Ask a video: decode and encode it once, run the language model once over its frames, answer every question.

frames -> pixels -> both encoders, fused (once per choice of frames)
       -> prefix of the prompt through the language model (once per prompt layout)
       -> the questions of that layout, decoded together
"""

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from vgcli_core.errors import CheckpointError, ConventionError, UsageError
from vgcli_core.geometry.boxes import EulerConvention
from vgcli_core.media.frames import Frames, read_frames
from vgcli_core.media.sampling import Sampling
from vgcli_core.media.sources import find
from vgcli_core.model.checkpoint import LoadReport, Options, load_model
from vgcli_core.model.demo import NAME as DEMO
from vgcli_core.model.demo import demo_model
from vgcli_core.model.device import choose_placement
from vgcli_core.model.generate import Decoding, continue_from, prefill
from vgcli_core.model.hub import checkpoint_folder
from vgcli_core.model.pixels import Fit
from vgcli_core.model.processor import Processor
from vgcli_core.model.quiet import quiet_libraries
from vgcli_core.model.vgllm import VGLLM, Counts
from vgcli_core.predict.intrinsics import assumed, read_intrinsics
from vgcli_core.predict.reading import Generated, read_answer
from vgcli_core.predict.result import Answer, FrameInfo, ModelInfo, Result
from vgcli_core.predict.visualize import draw_result
from vgcli_core.text.prompts import MAX_NEW_TOKENS, PromptRevision
from vgcli_core.text.questions import Plan, Question, plan
from vgcli_core.version import __version__

Progress = Callable[[str], None]

MODEL_VARIABLE = "VGLLM_MODEL"
# The longest sequence the published checkpoints were trained with.
TRAINED_TOKENS = 12_800
# Detection was trained on windows of four frames about a second apart; everything else sees the whole video.
_DETECTION = Sampling(fps=1.0, max_frames=4)
_DEFAULT = Sampling(num_frames=32)


@dataclass(frozen=True, slots=True)
class Drawing:
    """Where to write frames with boxes, and the camera: `intrinsics` as a user writes them, or a field of view."""

    folder: Path
    intrinsics: str | None = None
    fov: float | None = None


def load(
    model: str | Path | None = None,
    *,
    geometry: str | Path | None = None,
    device: str = "auto",
    device_map: str | None = None,
    dtype: str = "auto",
    attention: str = "auto",
    euler_convention: EulerConvention | None = None,
    prompt_revision: PromptRevision | None = None,
    revision: str | None = None,
    offline: bool = False,
    seed: int = 0,
) -> "Predictor":
    """Load a model to ask.

    Args:
        model: a checkpoint folder or a hub name; VGLLM_MODEL, and then the untrained demo model, when None.
        geometry: weights of VGGT or Pi3, for a plain Qwen2.5-VL folder.
        device: auto, cpu, cuda, cuda:1, mps.
        device_map: "auto" splits a large backbone over devices (transformers' own placement).
        dtype: auto, float32, bfloat16, float16.
        attention: auto, sdpa, flash, eager.
        euler_convention: how the model writes box angles, where its checkpoint does not say ("ZXY" or "zxy").
        prompt_revision: wording of its box prompts; the one that belongs to `euler_convention` when only that is given.
        revision: branch, tag or commit on the hub.
        offline: use only what is on this machine.
        seed: of weights that no file holds: the demo model's, or a new fusion's.

    Raises:
        CheckpointError, ResourceError, UsageError: see their messages.
    """
    started = time.perf_counter()
    if euler_convention is not None and prompt_revision is None:
        prompt_revision = 1 if euler_convention == "zxy" else 2
    chosen = model or os.environ.get(MODEL_VARIABLE)
    options = Options(device, dtype, attention, device_map, euler_convention, prompt_revision, seed=seed)
    if chosen is None:
        return _load_demo(options, started, geometry)
    folder = checkpoint_folder(chosen, revision=revision, offline=offline)
    encoder = checkpoint_folder(geometry, offline=offline) if geometry is not None else None
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder.name} is a file", where=str(folder), fix="give the folder that holds config.json and the weights"
        )
    tokenizer = _tokenizer(folder)
    network, report = load_model(folder, options, name=str(chosen), geometry=encoder)
    return Predictor(network, tokenizer, report, name=str(chosen), seed=seed, load_seconds=_since(started))


class Predictor:
    """A loaded model with its tokenizer: ask it any number of times."""

    def __init__(
        self, model: VGLLM, tokenizer: Any, report: LoadReport, *, name: str, seed: int = 0, load_seconds: float = 0.0
    ) -> None:
        self.model = model
        self.processor = Processor(tokenizer, frame_width=model.config.frame_width)
        self.report = report
        self.name = name
        self.seed = seed
        self._load_seconds = load_seconds

    def __repr__(self) -> str:
        info = self.info()
        return f"Predictor({info.name!r}, {info.parameters:,} parameters, {info.dtype} on {info.device})"

    def ask(self, source: str | Path, question: str = "", *, task: str = "auto", **options: Any) -> Result:
        """Ask one question; `options` are those of `answer`. An empty question is only for `task="detect"`."""
        return self.answer(source, [Question(question, task)], **options)  # type: ignore[arg-type]

    def answer(
        self,
        source: str | Path,
        questions: Sequence[Question],
        *,
        sampling: Sampling | None = None,
        fit: Fit = "crop",
        raw_prompt: bool = False,
        max_new_tokens: int | None = None,
        repetition_penalty: float | None = None,
        batch_size: int = 8,
        decoder: str = "auto",
        drawing: Drawing | None = None,
        progress: Progress | None = None,
    ) -> Result:
        """Answer questions about one source; it is decoded and encoded once.

        Args:
            source: a video file, a folder of pictures, a picture, or a glob.
            questions: what to ask, at least one.
            sampling: which frames; by task when None: 32 even ones, and four a second apart for detect.
            fit: "crop" as in training (tall frames lose top and bottom), or "pad" to keep everything.
            raw_prompt: send each text untouched.
            max_new_tokens: limit of each answer; by task when None.
            repetition_penalty: the checkpoint's own when None.
            batch_size: how many questions are decoded together; fewer need less memory.
            decoder: auto, decord or pyav.
            drawing: write frames with boxes.
            progress: called with what is being done.

        Raises:
            MediaError, UsageError, ConventionError, OutputError: see their messages.
        """
        say = progress or (lambda _: None)
        clock = _Clock({"load": self._load_seconds})
        self.model.counts = Counts()
        plans = self._plans(questions, raw=raw_prompt)
        camera = read_intrinsics(drawing.intrinsics) if drawing is not None and drawing.intrinsics else None
        decoding = self._decoding(plans, max_new_tokens, repetition_penalty)
        answers: dict[int, Answer] = {}
        seen: list[Frames] = []
        notes: list[str] = list(self.report.notes)
        tokens = {"image_tokens": 0, "prompt_tokens": 0}
        for group in _by_sampling(plans, sampling, source):
            say("decoding frames")
            with clock("decode"):
                frames = read_frames(source, group.sampling, decoder=decoder)
            first = sum(len(one.images) for one in seen)
            seen.append(frames)
            notes += [note for note in (*group.notes, *frames.notes) if note not in notes]
            with clock("encode"):
                say(f"encoding {len(frames.images)} frames")
                pixels = self.processor.pixels(frames, fit=fit)
                notes += [note for note in pixels.notes if note not in notes]
                with torch.inference_mode():
                    fused = self.model.image_tokens(
                        pixels.pixel_values, pixels.grid_thw.to(self.model.device), [pixels.geometry_frames]
                    )
                _synchronise(self.model.device)
            tokens["image_tokens"] += len(fused)
            for names in sorted({plans[i].prompt.frame_names for i in group.members}):
                members = [i for i in group.members if plans[i].prompt.frame_names == names]
                say("reading the frames into the language model")
                with clock("prefill"):
                    prefix = prefill(
                        self.model, self.processor.prefix(pixels.grid_thw, frame_names=names), fused, pixels.grid_thw
                    )
                    _synchronise(self.model.device)
                texts = {i: self.processor.question(plans[i].prompt.text) for i in members}
                longest = len(prefix.input_ids) + max(len(ids) for ids in texts.values())
                tokens["prompt_tokens"] = max(tokens["prompt_tokens"], longest)
                for start in range(0, len(members), max(batch_size, 1)):
                    batch = members[start : start + max(batch_size, 1)]
                    say(f"answering {start + 1} to {start + len(batch)} of {len(members)}")
                    with clock("generate"):
                        found = continue_from(
                            self.model, prefix, [texts[i] for i in batch], [decoding[i] for i in batch]
                        )
                    for i, ids in zip(batch, found, strict=True):
                        answers[i] = read_answer(
                            plans[i],
                            self._generated(ids, decoding[i]),
                            frames=range(first, first + len(frames.images)),
                            times=frames.times,
                            convention=self.model.config.euler_convention,
                        )
        if tokens["prompt_tokens"] > TRAINED_TOKENS:
            notes.append(
                f"the prompt has {tokens['prompt_tokens']:,} tokens; published checkpoints were trained with up to "
                f"{TRAINED_TOKENS:,}: fewer frames may give better answers"
            )
        result = self._result(str(source), seen, [answers[i] for i in range(len(plans))], notes, decoding[0])
        result = replace(result, timings=clock.seconds, counts={**result.counts, **tokens})
        if drawing is not None:
            say("drawing")
            height, width = result.frame_size
            images = [image for frames in seen for image in frames.images]
            result = draw_result(result, images, camera or assumed(width, height, drawing.fov), drawing.folder)
        return result

    def info(self) -> ModelInfo:
        """Return which model this is and how it runs."""
        config = self.model.config
        return ModelInfo(
            name=self.name,
            path="" if self.name == DEMO else str(self.report.path),
            layout=self.report.layout,
            backbone=config.backbone,
            geometry_encoder=config.geometry_encoder,
            fusion=config.fusion if self.model.has_geometry else "none",
            reference_frame=config.reference_frame,
            euler_convention=config.euler_convention,
            prompt_revision=config.prompt_revision,
            conventions_from=config.conventions_from,
            untrained=config.untrained,
            parameters=self.report.parameters,
            device=str(self.model.device),
            dtype=str(self.model.backbone.model.dtype).removeprefix("torch."),
            attention=self.model.backbone.attention,
        )

    def _plans(self, questions: Sequence[Question], *, raw: bool) -> list[Plan]:
        if not questions:
            raise UsageError("no question", fix="ask at least one")
        plans = [plan(question, self.model.config.prompt_revision or 2, raw=raw) for question in questions]
        asks_boxes = [p for p in plans if p.task in {"ground", "detect"}]
        if asks_boxes and self.model.config.euler_convention is None:
            raise ConventionError(
                f"nobody says how {self.name} writes the angles of boxes",
                where=f"question {asks_boxes[0].question.text!r}" if asks_boxes[0].question.text else "task detect",
                fix="state it with --euler-convention ZXY (data since 27 November 2025) or zxy (older data), "
                "or ask in words with --task ask",
            )
        return plans

    def _decoding(self, plans: Sequence[Plan], limit: int | None, penalty: float | None) -> list[Decoding]:
        if limit is not None and limit < 1:
            raise UsageError(f"{limit} new tokens leave no room for an answer", fix="give 1 or more")
        if penalty is not None and not 0 < penalty < 100:
            raise UsageError(f"{penalty} is no repetition penalty", fix="give 1.0 for none, or a little more")
        saved = self.model.backbone.model.generation_config
        ends = getattr(saved, "eos_token_id", None)
        stop = {self.processor.ids["<|im_end|>"], *(ends if isinstance(ends, list) else [] if ends is None else [ends])}
        factor = float(getattr(saved, "repetition_penalty", None) or 1.0) if penalty is None else penalty
        return [Decoding(limit or MAX_NEW_TOKENS[p.task], frozenset(stop), factor) for p in plans]

    def _generated(self, ids: Sequence[int], decoding: Decoding) -> Generated:
        complete = bool(ids) and ids[-1] in decoding.stop
        return Generated(self.processor.decode(ids), len(ids), complete, decoding.max_new_tokens)

    def _result(
        self, source: str, seen: Sequence[Frames], answers: Sequence[Answer], notes: Sequence[str], decoding: Decoding
    ) -> Result:
        rows = [
            FrameInfo(0, index, when, frames.names[i] if frames.names else "")
            for frames in seen
            for i, (index, when) in enumerate(zip(frames.indices, frames.times, strict=True))
        ]
        counts = self.model.counts
        height, width = seen[0].images[0].shape[:2]
        return Result(
            source=source,
            frames=tuple(replace(row, position=position) for position, row in enumerate(rows)),
            frame_size=(height, width),
            total_frames=seen[0].total,
            decoder=seen[0].decoder,
            answers=tuple(answers),
            model=self.info(),
            notes=tuple(notes),
            timings={},
            counts={
                "encoder_calls": counts.encoder_calls,
                "frames_encoded": counts.frames_encoded,
                "prefix_runs": counts.prefix_runs,
                "decode_steps": counts.decode_steps,
                "answers_without_result": sum(a.status != "ok" for a in answers),
                "answers_cut_off": sum(not a.complete for a in answers),
                "items_unusable": sum(len(a.unusable) for a in answers),
            },
            generation={"method": "greedy", "repetition_penalty": decoding.repetition_penalty},
            versions=_versions(),
            seed=self.seed,
        )


@dataclass(slots=True)
class _Group:
    """Questions that look at the same frames."""

    sampling: Sampling
    members: list[int] = field(default_factory=list)
    notes: tuple[str, ...] = ()


def _by_sampling(plans: Sequence[Plan], stated: Sampling | None, source: str | Path) -> list[_Group]:
    """Group questions by the frames they need: all by the stated sampling, else by the rule of their task."""
    stated = stated or Sampling()
    if stated.num_frames or stated.fps or stated.indices:
        return [_Group(stated, list(range(len(plans))))]
    note = "detect looks at 4 frames, a second apart, as in training; choose others with --start or --frames"
    groups = {
        False: _Group(replace(_DEFAULT, start=stated.start)),
        True: _Group(replace(_DETECTION, start=stated.start), notes=(note,)),
    }
    is_video = find(source).video is not None
    for index, one in enumerate(plans):
        # Pictures have no times to step through.
        groups[one.task == "detect" and is_video].members.append(index)
    return [group for group in groups.values() if group.members]


class _Clock:
    """Adds up seconds by name."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + _since(started)


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 4)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        with quiet_libraries():
            return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers raises many types for missing and damaged tokenizer files
        raise CheckpointError(
            f"the tokenizer cannot be loaded: {str(error).splitlines()[0]}",
            where=str(folder),
            fix="copy tokenizer.json and tokenizer_config.json of the backbone (Qwen2.5-VL) into the folder",
        ) from error


def _load_demo(options: Options, started: float, geometry: str | Path | None) -> Predictor:
    if geometry is not None:
        raise UsageError(
            "--geometry needs a model to join", where="--geometry", fix="give a plain Qwen2.5-VL folder with --model"
        )
    network, tokenizer = demo_model(seed=options.seed)
    if options.euler_convention is not None or options.prompt_revision is not None:
        stated = {"euler_convention": options.euler_convention, "prompt_revision": options.prompt_revision}
        given = {key: value for key, value in stated.items() if value is not None}
        network.config = network.config.model_copy(update={**given, "conventions_from": "stated by the user"})
    parameters = sum(p.numel() for p in network.parameters())
    placement = choose_placement(
        device=options.device,
        dtype=options.dtype,
        attention=options.attention,
        parameters=parameters,
        saved_dtype="float32",
    )
    network.backbone.model.set_attn_implementation(placement.attention)
    network.to(placement.device, placement.dtype)
    report = LoadReport(Path(), "generation-2", parameters)
    return Predictor(network, tokenizer, report, name=DEMO, seed=options.seed, load_seconds=_since(started))


def _versions() -> dict[str, str]:
    found = {"vgllm": __version__, "python": platform.python_version()}
    for package in ("torch", "transformers", "numpy", "pillow", "av", "decord", "flash-attn"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
