"""One training run, from the first check to the finished model; in the same folder it goes on where it was stopped."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch

from vgcli_core.data.mixture import Mixture, mix
from vgcli_core.errors import UsageError, VgllmError, first_line
from vgcli_core.model.feature_cache import FeatureCache, encoders_fingerprint
from vgcli_core.model.lora import check_peft
from vgcli_core.model.pixels import pixels_of
from vgcli_core.model.vgllm import Features
from vgcli_core.processes.signals import StopRequest
from vgcli_core.training.caching import fill
from vgcli_core.training.checkpoints import Saved
from vgcli_core.training.engines import Engine, start_engine
from vgcli_core.training.examples import Example
from vgcli_core.training.loading import load, lost_worker
from vgcli_core.training.log import RunLog, read_log
from vgcli_core.training.loss_picture import draw_loss
from vgcli_core.training.objectives import Cached, chosen, start_objective
from vgcli_core.training.order import Step, planned, share_of
from vgcli_core.training.parts import choose
from vgcli_core.training.processes import Processes, start_processes
from vgcli_core.training.progress import LAST_STEPS, Outcome, Progress, Settings, Validate, Watch
from vgcli_core.training.recipe import Part, Recipe
from vgcli_core.training.record import (
    check_same_weights,
    continued,
    data_record,
    read_record,
    run_record,
    start_record,
    write_record,
)
from vgcli_core.training.run_folder import BEST, MODEL, PICTURE, RunFolder
from vgcli_core.training.sets import open_sets
from vgcli_core.training.start import Started, start
from vgcli_core.training.trackers import Trackers, check_trackers
from vgcli_core.training.trainer import Done, Loop, evaluation_mode, peak_memory, record_of

_SPEED_OF = 20  # steps whose speed forecasts the time that is left


def train(
    recipe: Recipe, settings: Settings, *, validate: Validate | None = None, watch: Watch | None = None
) -> Outcome:
    """Train in `settings.out`, or continue there; every process of the run calls this with the same arguments.

    Args:
        recipe: what to train, complete.
        settings: where, and how it was asked for.
        validate: measures the model every `recipe.validation.every` steps, beside the held-out loss.
        watch: where progress goes; looked at in the first process alone.

    Raises:
        VgllmError: whatever a user can act on; the run folder stays such that the same command continues.
    """
    check_trackers(settings.trackers)
    if recipe.trained.language_model == "lora":
        check_peft()
    processes = start_processes(recipe, device=settings.device, deepspeed=settings.deepspeed)
    try:
        if validate is not None and processes.zero == 3:
            raise UsageError(
                "answers cannot be generated while the weights are spread over processes (ZeRO stage 3)",
                where="validation.generate",
                fix="--set validation.generate= (the held-out loss is measured all the same), or use stage 2",
            )
        with ExitStack() as stack:
            folder = RunFolder(settings.out, processes)
            seen = watch if watch is not None and processes.first else Watch()
            try:
                return _Run(recipe, settings, validate, seen, processes, folder, stack).go()
            except VgllmError as problem:
                folder.fail(problem)
                raise
            except Exception as problem:
                # torch reports the death of a process that reads frames wherever this one happens to be.
                lost = lost_worker(problem) if isinstance(problem, RuntimeError) else None
                folder.fail(lost or VgllmError(f"{type(problem).__name__}: {first_line(problem)}"))
                if lost is None:
                    raise
                raise lost from problem
    finally:
        processes.close()


@dataclass
class _Run:
    """What one call of `train` works with."""

    recipe: Recipe
    settings: Settings
    validate: Validate | None
    watch: Watch
    processes: Processes
    folder: RunFolder
    stack: ExitStack
    best: dict[str, float] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def go(self) -> Outcome:
        recipe, out = self.recipe, self.settings.out
        for note in self.processes.notes:
            self.watch.say(note)
        parts = open_sets(recipe, self.settings.data)
        data = data_record(parts, self.settings.data)
        found = self.folder.take(recipe, self.settings, data, stack=self.stack, say=self.watch.say)
        checkpoint = found.checkpoint
        hold_out = recipe.validation.hold_out if recipe.validation.every else 0
        mixture, held_out = (chosen(one, recipe) for one in mix(parts, seed=recipe.seed, hold_out=hold_out))
        if recipe.validation.every and recipe.validation.best == "loss" and not len(held_out):
            raise UsageError(
                "nothing can be held out: whole scenes are, and one must be left to train on",
                where=f"validation.hold_out of {hold_out}",
                fix="prepare more scenes, or --set validation.every=0",
            )
        plan = planned(mixture, recipe)
        done = checkpoint.step if checkpoint else 0
        aside = sum(counts["left with their scene"] for counts in mixture.counts.values())
        self.watch.say(
            f"{len(mixture)} samples to train on, {len(held_out)} held out"
            + (f"; {aside} more are of held-out scenes and not used" if aside else "")
        )
        if found.finished:
            self.watch.say(f"this run is finished: {len(plan)} steps; --restart begins anew")
            return Outcome("finished", len(plan), len(plan), out, bad=checkpoint.state["bad"] if checkpoint else 0)
        started, trained = self._start()
        self._record(started, data, mixture.counts, done)
        cached = self._features(started, trained, (mixture, held_out))
        objective = start_objective(recipe, started, self.processes.device, cached)
        engine = start_engine(self.processes, objective.module, started.model, trained, recipe.optim)
        loop = Loop(recipe, self.processes, engine, objective, len(plan))
        if checkpoint:
            self._resume(checkpoint, loop)
        log = RunLog(out if self.processes.first else None, done)
        self.stack.callback(log.close)
        trackers = self._trackers(done)
        turns = [share_of(step, self.processes.rank, self.processes.world) for _, step in plan[done:]]
        stream = load(objective.examples(mixture), [turn for own in turns for turn in own], workers=recipe.data.workers)
        self.folder.status("running", step=done, steps=len(plan))
        with StopRequest(noticed=lambda name: self.watch.say(f"{name}: saving after this step")) as stop:
            for at, own in enumerate(turns, start=done + 1):
                result = loop.step(at - 1, len(own), stream)
                log.step(record_of(at, plan[at - 1][0], result))
                for bad in result.bad:
                    log.bad(at, bad)
                loop.check_bad(result)
                measures: Mapping[str, float] = {}
                if recipe.validation.every and (at % recipe.validation.every == 0 or at == len(plan)):
                    measures = self._measure(loop, held_out, started)
                    log.validation(at, measures)
                    self._keep_best(measures, at, loop.engine, started)
                now = self._report(trackers, at, result, loop, measures)
                log.timing({"step": at, "seconds": result.seconds, **_speed(now)})
                asked = self._asked(stop)
                if asked or at % recipe.run.save_every == 0 or at == len(plan):
                    self.watch.doing(f"saving step {at}")
                    state = {
                        "updates": loop.updates,
                        "bad": loop.bad,
                        "shortened": loop.shortened,
                        "best": self.best,
                    }
                    self.folder.save(engine, at, state, keep=recipe.run.keep)
                    self.folder.status("running", step=at, steps=len(plan))
                if asked and at < len(plan):
                    self.folder.status("interrupted", step=at, steps=len(plan), signal=asked)
                    return Outcome("interrupted", at, len(plan), out, signal=asked, bad=loop.bad)
        return self._finish(started, loop)

    # Before the first step

    def _start(self) -> tuple[Started, dict[Part, list[str]]]:
        """Load the weights and choose what is trained; names of trained parameters by part."""
        recipe = self.recipe
        self.watch.doing("loading the weights")
        masters = self.processes.zero == 0
        started = start(recipe, device=self.processes.device, offline=self.settings.offline, master=masters)
        for note in started.notes:
            self.watch.say(note)
        dtype = torch.float32 if masters else self._precision
        trained = choose(started.model, recipe.trained, recipe.lora, seed=recipe.seed, dtype=dtype)
        if recipe.run.checkpoint_gradients:
            started.model.backbone.checkpoint_gradients()
        return started, trained

    def _record(
        self, started: Started, data: Mapping[str, Any], counts: Mapping[str, Mapping[str, int]], done: int
    ) -> None:
        if not self.processes.first:
            return
        here = start_record(
            self.recipe,
            self.settings,
            step=done,
            world=self.processes.world,
            device=self.processes.device,
            attention=started.model.backbone.attention,
        )
        record = read_record(self.settings.out)
        if record is None:
            record = run_record(self.recipe, self.settings, source=started.source, data=data, counts=counts, start=here)
        else:
            check_same_weights(record, started.source)
            record, remarks = continued(record, here)
            for remark in remarks:
                self.watch.say(remark)
        write_record(self.settings.out, record)

    def _features(
        self, started: Started, trained: Mapping[Part, Sequence[str]], mixtures: tuple[Mixture, Mixture]
    ) -> Cached | None:
        """Compute once what frozen encoders give, and return where examples find it; None without a cache."""
        settings, model = self.settings, started.model
        if settings.cache is None:
            return None
        learning = [part for part in ("connector", "vision_tower", "geometry_encoder") if part in trained]
        if learning:
            raise UsageError(
                f"features change while {learning[0]} is trained",
                where="--cache-features",
                fix=f"leave it out, or set trained.{learning[0]} to false",
            )
        cache = FeatureCache(settings.cache, fingerprint=encoders_fingerprint(model))
        filled = fill(
            model,
            mixtures,
            started.processor,
            cache,
            limit=settings.cache_limit,
            rank=self.processes.rank,
            world=self.processes.world,
            watch=self.watch,
        )
        self.processes.wait()
        self.watch.say(
            f"cached features: {filled.lists} lists of frames for {filled.samples} samples, {filled.bytes / 1e9:.2f} GB"
            f" ({filled.reused} were there)"
        )

        def features(example: Example) -> Features:
            if example.frames is None:
                return cache.read(example.key)
            pixels = pixels_of(example.frames.to(self.processes.device))
            return model.encode(pixels.pixel_values, pixels.grid_thw, pixels.geometry_frames)

        return Cached(features, cache)

    def _resume(self, checkpoint: Saved, loop: Loop) -> None:
        self.watch.doing(f"reading {checkpoint.folder.name}")
        loop.updates, loop.bad = checkpoint.state["updates"], checkpoint.state["bad"]
        loop.shortened = checkpoint.state.get("shortened", 0)
        loop.check_bad(None)
        self.best = dict(checkpoint.state["best"])
        loop.engine.load(checkpoint.weights(), checkpoint.moments(), loop.updates)
        self.watch.say(f"continuing after step {checkpoint.step}")

    def _trackers(self, done: int) -> Trackers:
        record = read_record(self.settings.out) if self.processes.first else None
        trackers = Trackers(
            self.settings.trackers if record else (),
            self.settings.out,
            self.recipe.model_dump(mode="json"),
            record["name"] if record else "",
            after_step=done,
            offline=self.settings.offline,
            say=self.watch.say,
        )
        self.stack.callback(trackers.close)
        return trackers

    # After a step

    def _asked(self, stop: StopRequest) -> str:
        """Return the signal that any process got, "" for none; the same in all."""
        if not self.processes.any(bool(stop.requested)):
            return ""
        return next(name for name in self.processes.lists([stop.requested]) if name)

    def _measure(self, loop: Loop, held: Mixture, started: Started) -> Mapping[str, float]:
        measures: dict[str, float] = {}
        count, micro = len(held), self.recipe.batch.micro * self.recipe.batch.questions
        if count:
            self.watch.doing("measuring the held-out loss")
            step = Step(tuple(tuple(range(place, min(place + micro, count))) for place in range(0, count, micro)))
            turns = share_of(step, self.processes.rank, self.processes.world)
            means, bad = loop.held_out(
                load(loop.objective.examples(held), turns, workers=min(2, self.recipe.data.workers))
            )
            measures |= means
            if bad:
                self.watch.say(f"{bad} held-out samples could not be used")
        if self.validate is not None:
            self.watch.doing("answering validation questions")
            half = self._precision is torch.bfloat16 and self.processes.zero == 0
            with (
                evaluation_mode(started.model),
                torch.no_grad(),
                torch.autocast(self.processes.device.type, torch.bfloat16, enabled=half),
            ):
                measures |= self.validate(started.model, started.processor, self.processes.rank, self.processes.world)
        return measures

    def _keep_best(self, measures: Mapping[str, float], at: int, engine: Engine, started: Started) -> None:
        chosen = self.recipe.validation.best
        if chosen not in measures:
            known = ", ".join(sorted(measures)) or "nothing"
            self.watch.say(f"validation.best is {chosen!r}, which was not measured after step {at}; there is {known}")
            return
        value = measures[chosen]
        if not self.best or (value < self.best["value"] if chosen == "loss" else value > self.best["value"]):
            self.best = {"value": value, "step": at}
            self.folder.write_model(BEST, engine, started.tokenizer, self._precision)

    def _report(self, trackers: Trackers, at: int, done: Done, loop: Loop, measures: Mapping[str, float]) -> Progress:
        """Tell everybody how the step went."""
        self.seconds = [*self.seconds[1 - _SPEED_OF :], done.seconds]
        now = Progress(
            step=at,
            steps=loop.steps,
            loss=done.loss,
            lr=done.lr,
            grad_norm=done.grad_norm,
            tokens_per_second=done.tokens / done.seconds,
            samples_per_second=done.samples / done.seconds,
            wait_share=done.wait / done.seconds,
            memory=peak_memory(self.processes.device),
            seconds_left=(loop.steps - at) * sum(self.seconds) / len(self.seconds),
            bad=loop.bad,
            measures=measures,
        )
        values = {"loss": done.loss, "lr": done.lr, "grad_norm": done.grad_norm, **_speed(now)}
        trackers.log(at, values | {f"validation/{name}": value for name, value in measures.items()})
        self.watch.step(now)
        return now

    def _finish(self, started: Started, loop: Loop) -> Outcome:
        out, steps = self.settings.out, loop.steps
        if loop.shortened:
            self.watch.say(f"{loop.shortened} samples lost frames to fit into data.max_length")
        self.watch.doing("writing the model")
        written = [self.folder.write_model(MODEL, loop.engine, started.tokenizer, self._precision)]
        if self.best:
            written.append(out / BEST)
        if self.recipe.trained.language_model == "lora":
            written.append(self.folder.write_adapter(loop.engine, self.recipe.start.weights))
        loss = None
        if self.processes.first:
            losses = [line["loss"] for line in read_log(out) if "loss" in line][-LAST_STEPS:]
            loss = sum(losses) / len(losses)
            draw_loss(out)
            written.append(out / PICTURE)
        self.folder.status("finished", step=steps, steps=steps)
        return Outcome("finished", steps, steps, out, bad=loop.bad, written=tuple(written), loss=loss)

    @property
    def _precision(self) -> torch.dtype:
        return torch.bfloat16 if self.recipe.run.precision == "bf16" else torch.float32


def _speed(now: Progress) -> dict[str, float]:
    names = ("tokens_per_second", "samples_per_second", "wait_share", "memory")
    return {name: float(getattr(now, name)) for name in names}
