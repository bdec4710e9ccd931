"""Ask a video: decode and encode it once, run the language model once over its frames, answer every question.

frames -> pixels -> both encoders, fused (once per choice of frames)
       -> prefix of the prompt through the language model (once per prompt layout)
       -> the questions of that layout, decoded together
"""

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from vgcli_core.errors import ConventionError, UsageError
from vgcli_core.media.frames import Frames, read_frames
from vgcli_core.media.sampling import Sampling
from vgcli_core.media.sources import find
from vgcli_core.model.checkpoint import LoadReport
from vgcli_core.model.feature_cache import FeatureCache, encoded, encoders_fingerprint
from vgcli_core.model.generate import Decoding, continue_from, prefill
from vgcli_core.model.pixels import Fit, Pixels
from vgcli_core.model.processor import Processor
from vgcli_core.model.vgllm import VGLLM, Counts
from vgcli_core.predict.drawing import Drawing, check_drawing, draw
from vgcli_core.predict.groups import DETECTION, Group, group_by_frames
from vgcli_core.predict.reading import Generated, read_answer
from vgcli_core.predict.result import Answer, FrameInfo, ModelInfo, Result
from vgcli_core.text.prompts import MAX_NEW_TOKENS, Task
from vgcli_core.text.questions import Plan, Question, plan
from vgcli_core.version import __version__

Progress = Callable[[str], None]

# The longest sequence the published checkpoints were trained with.
TRAINED_TOKENS = 12_800


class Predictor:
    """A loaded model with its tokenizer: ask it any number of times."""

    def __init__(self, model: VGLLM, tokenizer: Any, report: LoadReport, *, name: str, seed: int = 0) -> None:
        self.model = model
        self.processor = Processor(tokenizer, frame_width=model.config.frame_width)
        self.report = report
        self.name = name
        self.seed = seed
        self.load_seconds = 0.0
        self.cache: FeatureCache | None = None

    def cache_features(self, folder: Path) -> None:
        """From now on keep in `folder` what the encoders make of frames, and look there first.

        They are kept in the dtype of the weights, as training keeps them, so that each finds what the other wrote: in
        half precision this rounds the geometry tokens, which are float32 without a cache. The encoders' weights are
        read once for it, a few seconds at the published sizes. Raises OutputError.
        """
        self.model.feature_dtype = self.model.backbone.model.dtype
        self.cache = FeatureCache(folder, fingerprint=encoders_fingerprint(self.model))
        self.cache.describe(self.model)

    def __repr__(self) -> str:
        info = self.info()
        return f"Predictor({info.name!r}, {info.parameters:,} parameters, {info.dtype} on {info.device})"

    def ask(
        self,
        source: str | Path,
        question: str = "",
        *,
        task: Task | Literal["auto"] = "auto",
        options: Sequence[str] = (),
        num_frames: int | None = None,
        fps: float | None = None,
        frames: Sequence[int] = (),
        start: float = 0.0,
        **settings: Any,
    ) -> Result:
        """Ask one question.

        Args:
            source: a video file, a folder of pictures, a picture, or a glob.
            question: what to ask; empty only for `task="detect"`.
            task: auto, ask, ground, detect or caption.
            options: choices to answer by letter.
            num_frames, fps, frames, start: which frames, as in `Sampling`; by task when none is given.
            settings: the other arguments of `answer`: fit, raw_prompt, max_new_tokens, repetition_penalty, decoder,
                drawing, sampling, progress.

        Raises:
            VgllmError: see `answer`.
        """
        _check_question(question)
        if num_frames is not None or fps is not None or frames or start:
            settings["sampling"] = Sampling(num_frames=num_frames, fps=fps, indices=tuple(frames), start=start)
        return self.answer(source, [Question(question, task, tuple(options))], **settings)

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
            sampling: which frames; when None as many as in the model's training, evenly spaced, where they were always
                as many; else by task: 32 even ones, and four a second apart for detect.
            fit: "crop" as in training (tall frames lose top and bottom), or "pad" to keep everything.
            raw_prompt: send each text untouched.
            max_new_tokens: limit of each answer; by task when None.
            repetition_penalty: the checkpoint's own when None.
            batch_size: how many questions are decoded together; fewer need less memory.
            decoder: auto, decord or pyav.
            drawing: write frames with boxes, or 3D files.
            progress: called with what is being done.

        Raises:
            MediaError, UsageError, UnknownName, ConventionError, OutputError, ResourceError: see their messages.
        """
        _check_path(source)
        plans = self._plans(questions, raw=raw_prompt)
        limits = [MAX_NEW_TOKENS[p.task] if max_new_tokens is None else max_new_tokens for p in plans]
        decoding = [self.decoding(limit, repetition_penalty) for limit in limits]
        pictures: tuple[Path, ...] = ()
        if drawing is not None:
            check_drawing(drawing)
            pictures = find(source).pictures
        self.model.counts = Counts()
        run = _Run(self, plans, decoding, max(batch_size, 1), progress or (lambda _: None))
        for group in group_by_frames(plans, sampling, source, usual=self.model.config.num_frames):
            run.answer(group, source, fit=fit, decoder=decoder)
        result = run.result(str(source))
        if drawing is None:
            return result
        run.say("drawing")
        images = [image for frames in run.seen for image in frames.images]
        return draw(result, images, drawing, pictures=pictures, trained_fov=self.model.config.horizontal_fov)

    def info(self) -> ModelInfo:
        """Return which model this is and how it runs."""
        config = self.model.config
        return ModelInfo(
            name=self.name,
            path="" if self.report.path is None else str(self.report.path),
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
            weights_left_out=self.report.left_out,
        )

    def decoding(self, limit: int, repetition_penalty: float | None = None) -> Decoding:
        """Return how answers of up to `limit` tokens are generated; the penalty is the checkpoint's own when None.

        Raises UsageError for numbers that make no sense.
        """
        if limit < 1:
            raise UsageError(f"{limit} new tokens leave no room for an answer", fix="give 1 or more")
        if repetition_penalty is not None and not 0 < repetition_penalty < 100:
            fix = "give 1.0 for none, or a little more"
            raise UsageError(f"{repetition_penalty} is no repetition penalty", fix=fix)
        saved = self.model.backbone.model.generation_config
        ends = getattr(saved, "eos_token_id", None)
        stop = {self.processor.ids["<|im_end|>"], *(ends if isinstance(ends, list) else [] if ends is None else [ends])}
        own = float(getattr(saved, "repetition_penalty", None) or 1.0)
        return Decoding(limit, frozenset(stop), own if repetition_penalty is None else repetition_penalty)

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


@dataclass(slots=True)
class _Run:
    """One call of `answer`: what has been seen, said and counted so far."""

    predictor: Predictor
    plans: Sequence[Plan]
    decoding: Sequence[Decoding]
    batch_size: int
    say: Progress
    answers: dict[int, Answer] = field(default_factory=dict)
    seen: list[Frames] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    image_tokens: int = 0
    prompt_tokens: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def answer(self, group: Group, source: str | Path, *, fit: Fit, decoder: str) -> None:
        """Decode and encode the frames of a group, then answer its questions, layout by layout."""
        self.say("decoding frames")
        with self._timed("decode"):
            frames = read_frames(source, group.sampling, decoder=decoder)
        self.say(f"encoding {len(frames.images)} frames")
        with self._timed("encode"):
            pixels = self.predictor.processor.pixels(frames, fit=fit)
            fused = self._encode(pixels)
        self.image_tokens += len(fused)
        self.seen.append(frames)
        new = (*group.notes, *_unseen_end(group.sampling, frames), *frames.notes, *pixels.notes)
        self.notes += [note for note in dict.fromkeys(new) if note not in self.notes]
        for names in (False, True):
            members = [i for i in group.members if self.plans[i].prompt.frame_names == names]
            if members:
                self._answer_layout(members, frames, pixels, fused, frame_names=names)

    def _encode(self, pixels: Pixels) -> Tensor:
        model = self.predictor.model
        with torch.inference_mode():
            return model.fuse([encoded(model, pixels, self.predictor.cache)])

    def _answer_layout(
        self, members: list[int], frames: Frames, pixels: Pixels, fused: Tensor, *, frame_names: bool
    ) -> None:
        model, processor = self.predictor.model, self.predictor.processor
        self.say("reading the frames into the language model")
        with self._timed("prefill"):
            ids = processor.prefix(pixels.grid_thw, frame_names=frame_names)
            prefix = prefill(model, ids, fused, pixels.grid_thw)
        texts = {i: processor.question(self.plans[i].prompt.text) for i in members}
        self.prompt_tokens = max(self.prompt_tokens, len(ids) + max(map(len, texts.values())))
        first = sum(len(one.images) for one in self.seen[:-1])
        for start in range(0, len(members), self.batch_size):
            batch = members[start : start + self.batch_size]
            self.say(f"answering {start + 1} to {start + len(batch)} of {len(members)}")
            with self._timed("generate"):
                found = continue_from(model, prefix, [texts[i] for i in batch], [self.decoding[i] for i in batch])
            for i, new in zip(batch, found, strict=True):
                limit, stop = self.decoding[i].max_new_tokens, self.decoding[i].stop
                complete = bool(new) and new[-1] in stop
                self.answers[i] = read_answer(
                    self.plans[i],
                    Generated(processor.decode(new), len(new), complete, limit),
                    frames=range(first, first + len(frames.images)),
                    times=frames.times,
                    convention=model.config.euler_convention,
                )

    def result(self, source: str) -> Result:
        """Put everything together."""
        answers = tuple(self.answers[i] for i in range(len(self.plans)))
        rows = [
            (index, when, frames.names[i] if frames.names else "")
            for frames in self.seen
            for i, (index, when) in enumerate(zip(frames.indices, frames.times, strict=True))
        ]
        notes = [*self.predictor.report.notes, *self.notes]
        if self.prompt_tokens > TRAINED_TOKENS:
            notes.append(
                f"the prompt has {self.prompt_tokens:,} tokens; published checkpoints were trained with up to "
                f"{TRAINED_TOKENS:,}: fewer frames may give better answers"
            )
        counts = self.predictor.model.counts
        first = self.seen[0]
        height, width = first.images[0].shape[:2]
        return Result(
            source=source,
            frames=tuple(FrameInfo(position, *row) for position, row in enumerate(rows)),
            frame_size=(height, width),
            total_frames=first.total,
            decoder=first.decoder,
            answers=answers,
            model=self.predictor.info(),
            notes=tuple(notes),
            timings={"load": round(self.predictor.load_seconds, 4), **self.seconds},
            counts={
                "encoder_calls": counts.encoder_calls,
                "frames_encoded": counts.frames_encoded,
                "prefix_runs": counts.prefix_runs,
                "decode_steps": counts.decode_steps,
                "image_tokens": self.image_tokens,
                "prompt_tokens": self.prompt_tokens,
                "answers_without_result": sum(a.status != "ok" for a in answers),
                "answers_cut_off": sum(not a.complete for a in answers),
                "items_unusable": sum(len(a.unusable) for a in answers),
            },
            generation={"method": "greedy", "repetition_penalty": self.decoding[0].repetition_penalty},
            versions=_versions(),
            seed=self.predictor.seed,
        )

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        """Add the seconds of a block, finished work on the device included, to those of `name`."""
        started = time.perf_counter()
        yield
        if self.predictor.model.device.type == "cuda":
            torch.cuda.synchronize(self.predictor.model.device)
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - started, 4)


def _check_question(question: object) -> None:
    if not isinstance(question, str):
        raise UsageError("ask() takes one question", fix="use answer(source, [Question(...), ...]) for several")


def _check_path(source: object) -> None:
    if not isinstance(source, str | Path):
        fix = "write the frames to a folder, and name it"
        raise UsageError(f"the source must be a path, not {type(source).__name__}", fix=fix)


def _unseen_end(sampling: Sampling, frames: Frames) -> tuple[str, ...]:
    """Say so when a limit on frames at a rate leaves the end of the video unseen."""
    capped = sampling.max_frames == len(frames.indices) > 1
    if not capped or replace(sampling, start=0.0) == DETECTION:
        return ()
    step = frames.indices[-1] - frames.indices[-2]
    if frames.indices[-1] + step >= frames.total:
        return ()
    return (
        f"only the first {sampling.max_frames} frames at {sampling.fps:g} per second are looked at, up to "
        f"{frames.times[-1]:.2f} s: what comes after was not seen (--num-frames spreads over the whole video)",
    )


def _versions() -> dict[str, str]:
    found = {"vgllm": __version__, "python": platform.python_version()}
    for package in ("torch", "transformers", "numpy", "pillow", "av", "decord", "flash-attn"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
