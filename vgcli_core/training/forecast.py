"""What a run will take, before anything is loaded: parameters, steps, memory of each device by part, and time.

Counted from configurations and, where they are there, the prepared sets. Where a run does not fit, changes are tried
by forecasting each of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from vgcli_core.errors import ResourceError
from vgcli_core.training.fitting import Case, Fit, Suggestion, suggestions, usual_ways
from vgcli_core.training.hardware import GB, Hardware, find_hardware
from vgcli_core.training.recipe import Part, Recipe
from vgcli_core.training.sizes import Share, shares_of, sizes_of_recipe
from vgcli_core.training.volume import volume_of

MFU = 0.4  # share of a device's peak that a run is assumed to reach; recomputation counts as work here

# Hours of the published runs on 8 GPUs of 80 GB by the sets of their mixture (arXiv 2505.24625v3).
_HOURS = {
    frozenset({"scan2cap", "scanrefer", "scannet_det"}): {"3B": 9.0, "7B": 12.0},
    frozenset({"spar", "llava_hound"}): {"3B": 7.0, "7B": 9.0},
}
_PUBLISHED_WORLD = 8


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run will take; bytes are of one device.

    Attributes:
        model: name of the backbone.
        parts: parameters of each part, trained and frozen.
        samples, steps: of one epoch, of the run.
        tokens_per_step: mean.
        longest_tokens, longest_frames: of the longest sample, which memory is counted for.
        world: processes.
        hardware: the devices; `hardware.memory` is what each has.
        memory: by part at the largest moment, without `overhead`.
        moment: which one that is.
        moments: the sum at every moment.
        overhead: context, buffers of communication, and what the allocator cannot use.
        fits: None where nobody knows the device's memory.
        suggestions: changes that would fit, where it does not.
        table: usual ways to train this model's answers.
        operations: of one step, over all processes.
        seconds: of the run, at MFU; None where nobody knows the device's peak.
        published_hours: of the published run with this recipe, on 8 GPUs; None for another one.
        notes: what is assumed.
    """

    model: str
    parts: Mapping[Part, Share]
    samples: int
    steps: int
    tokens_per_step: float
    longest_tokens: int
    longest_frames: int
    world: int
    hardware: Hardware
    memory: Mapping[str, int]
    moment: str
    moments: Mapping[str, int]
    overhead: int
    fits: bool | None
    suggestions: tuple[Suggestion, ...]
    table: tuple[Fit, ...]
    operations: float
    seconds: float | None
    published_hours: float | None
    notes: tuple[str, ...]

    @property
    def needed(self) -> int:
        """Bytes of one device, overhead included."""
        return sum(self.memory.values()) + self.overhead

    @property
    def published_mfu(self) -> float | None:
        """Share of the peak of 8 such devices that the published run reached, if it did this work."""
        if self.published_hours is None or self.hardware.peak is None:
            return None
        return self.operations * self.steps / (self.published_hours * 3600 * _PUBLISHED_WORLD * self.hardware.peak)


def forecast_run(
    recipe: Recipe,
    *,
    data: Path | None = None,
    world: int | None = None,
    gpu_memory: int | None = None,
    device: Literal["auto", "cuda", "cpu"] = "auto",
    offline: bool = True,
    cached: bool = False,
) -> Forecast:
    """Forecast a run. Reads configurations and the prepared sets' lines; no weights, no frames.

    Args:
        recipe: complete.
        data: the folder of prepared sets; None or a missing set: published numbers.
        world: processes; None: as many as there are devices here.
        gpu_memory: bytes of one device; None: of those here, else 80 GB, as in the published runs.
        device: what the run will be asked to use. `auto` without a GPU is a CPU for the tiny model alone.
        offline: False lets an unknown hub name be looked up.
        cached: the frozen encoders' outputs come from `--cache-features`.

    Raises:
        CheckpointError: the model's sizes are not known.
        DataError: a set is neither prepared nor of a published size.
        UsageError: an adapter on a layer that is not there.
    """
    sizes = sizes_of_recipe(recipe, offline=offline)
    if device == "auto" and sizes.name in ("tiny", "small"):
        device = "cpu"
    hardware = find_hardware(device, recipe.run.precision)
    if hardware.assumed and recipe.run.zero == 0:
        hardware = replace(hardware, count=1)  # a recipe for one GPU
    world = world or hardware.count
    hardware = replace(hardware, count=world)
    if device == "cpu" and hardware.memory is not None:
        hardware = replace(hardware, memory=hardware.memory // world)
    if gpu_memory is not None:
        hardware = replace(hardware, memory=gpu_memory)
    volume = volume_of(recipe, data, world=world)
    case = Case(sizes, recipe, volume, world, cached, device != "cpu")
    memory = case.memory()
    needed = memory.total + case.overhead(memory)
    fits = None if hardware.memory is None else needed <= hardware.memory
    work = case.work()
    assumed: tuple[str, ...] = ()
    if hardware.assumed:
        share = "80 GB each, as in the published runs," if gpu_memory is None else "the memory that was given"
        assumed = (
            f"no GPU is here: {world} with {share} are assumed, as fast as {hardware.name}; --num-gpus says else",
        )
    return Forecast(
        sizes.name,
        shares_of(sizes, recipe),
        volume.samples,
        volume.steps,
        volume.tokens_per_step(recipe.batch.size),
        volume.longest().tokens,
        volume.longest().frames,
        world,
        hardware,
        memory.parts,
        memory.moment,
        memory.moments,
        case.overhead(memory),
        fits,
        () if fits is not False or hardware.memory is None else tuple(suggestions(case, hardware.memory)),
        tuple(usual_ways(case)) if case.gpu and recipe.objective.kind == "answers" else (),
        work,
        None if hardware.peak is None else volume.steps * work / (hardware.peak * MFU * world),
        _published_hours(recipe),
        (*assumed, *volume.notes),
    )


def check_fits(forecast: Forecast) -> None:
    """Raise ResourceError, with what would fit, where a run does not; before anything is loaded."""
    if forecast.fits is not False or forecast.hardware.memory is None:
        return
    flags = " or ".join(one.flags for one in forecast.suggestions)
    raise ResourceError(
        f"the run does not fit: {forecast.needed / GB:.1f} GB of {forecast.hardware.memory / GB:.1f} GB per device",
        where=f"{forecast.model}, {forecast.longest_tokens} tokens, {forecast.world} x {forecast.hardware.name}",
        fix=f"would fit: {flags}" if flags else "use devices with more memory, or a smaller model",
    )


def _published_hours(recipe: Recipe) -> float | None:
    sets = frozenset(one.dataset for one in recipe.data.sets.values())
    plain = recipe.trained.language_model == "full" and recipe.start.geometry_encoder == "vggt"
    plain = plain and recipe.run.checkpoint_gradients and recipe.batch.micro == recipe.batch.questions == 1
    whole = recipe.run.epochs == 1 and recipe.run.max_steps is None and recipe.batch.size == 64
    if not (plain and whole and sets in _HOURS):
        return None
    return next((hours for size, hours in _HOURS[sets].items() if f"VL-{size}-" in recipe.start.weights), None)
