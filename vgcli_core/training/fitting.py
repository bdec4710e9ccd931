"""Whether a run fits a device, what would fit, and how usual ways to train compare: each change is forecast itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vgcli_core.training.memory import Memory, memory_of
from vgcli_core.training.recipe import Recipe
from vgcli_core.training.sizes import Sizes
from vgcli_core.training.volume import Volume
from vgcli_core.training.work import sample_work

GPU_SIZES = (24, 48, 80)  # GB, of the table
_FEWEST_FRAMES = 4  # that are suggested

# Not among torch's tensors: the CUDA context and its kernels, with several processes the buffers of NCCL, and what the
# allocator cannot use of the blocks it holds. Assumed, not measured.
_CONTEXT = 700_000_000
_NCCL = 900_000_000
_FRAGMENTS = 0.04
# A CPU process holds more than torch's tensors: malloc keeps for itself what layers free. Between 6 and 47 % were
# measured; with glibc's MALLOC_MMAP_THRESHOLD_=131072, which gives memory back, at most 3 % (bench_train_memory.py).
_CPU_EXTRA = 0.25


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A change with which the run fits, as the user would type it, and bytes of a device then."""

    flags: str
    needed: int


@dataclass(frozen=True, slots=True)
class Fit:
    """A line of the table of usual ways to train: bytes of a device, as `--set` would ask for it."""

    what: str
    needed: int


def overhead_of(total: int, *, world: int, gpu: bool) -> int:
    """Return bytes of a device beside `total` bytes of torch's tensors."""
    if not gpu:
        return int(_CPU_EXTRA * total)
    return _CONTEXT + (_NCCL if world > 1 else 0) + int(_FRAGMENTS * total)


@dataclass(frozen=True, slots=True)
class Case:
    """All that memory and work depend on."""

    sizes: Sizes
    recipe: Recipe
    volume: Volume
    world: int
    cached: bool
    gpu: bool

    @property
    def spreads(self) -> bool:
        """Whether DeepSpeed has several devices to spread over."""
        return self.world > 1 and self.gpu and self.recipe.objective.kind == "answers"

    def memory(self) -> Memory:
        """Bytes of torch's tensors on one device."""
        return memory_of(
            self.sizes,
            self.recipe,
            self.volume.longest(),
            world=self.world,
            turns=self.volume.turns,
            cached=self.cached,
            gpu=self.gpu,
        )

    def overhead(self, memory: Memory) -> int:
        """Bytes beside torch's tensors."""
        return overhead_of(memory.total, world=self.world, gpu=self.gpu)

    def needed(self) -> int:
        """Bytes of one device, overhead included."""
        memory = self.memory()
        return memory.total + self.overhead(memory)

    def work(self) -> float:
        """Operations of a mean step, over all processes."""
        total = 0.0
        for kind, frames, tokens in self.volume.fitted():
            total += kind.count * sample_work(
                self.sizes,
                self.recipe,
                frames=frames,
                tokens=tokens,
                labelled=min(round(kind.labelled * self.volume.questions), tokens),
                patches=self.volume.patches,
                cells=self.volume.cells,
                cached=self.cached,
            )
        return total / max(self.volume.samples, 1) * self.volume.rows_of_step(self.recipe.batch.size)

    def changed(self, key: str, value: Any) -> "Case":
        """The same with one key of the recipe set."""
        section, _, name = key.partition(".")
        part = getattr(self.recipe, section).model_copy(update={name: value})
        return self._with(self.recipe.model_copy(update={section: part}), self.world)

    def spread(self, world: int) -> "Case":
        """The same on another number of devices."""
        return self._with(self.recipe, world)

    def _with(self, recipe: Recipe, world: int) -> "Case":
        turns = -(-recipe.batch.size // (recipe.batch.micro * world))
        volume = replace(self.volume, turns=turns, max_length=recipe.data.max_length)
        return replace(self, recipe=recipe, world=world, volume=volume)


def suggestions(case: Case, memory: int) -> Iterator[Suggestion]:
    """Yield changes with which a run fits: single ones, else all that cost time alone, with one more where needed."""
    fitting = [one for one in _changes(case) if one[1].needed() <= memory]
    if not fitting:
        flags, slow = "", case
        for key, value in (("batch.micro", 1), ("run.checkpoint_gradients", True), ("run.zero", 3)):
            section, _, name = key.partition(".")
            if getattr(getattr(case.recipe, section), name) != value and (key != "run.zero" or case.spreads):
                slow, flags = slow.changed(key, value), f"{flags} --set {key}={str(value).lower()}"
        further = (("", slow), *_changes(slow), *_more_devices(slow))
        fitting = [(f"{flags} {extra}".strip(), one) for extra, one in further if one.needed() <= memory]
        # What costs time alone is enough where it fits, and else the fewest devices.
        fitting = fitting[:1] if fitting and fitting[0][1] is slow else fitting
        few = min((one.world for _, one in fitting if one.world > case.world), default=case.world)
        fitting = [(said, one) for said, one in fitting if one.world in (case.world, few)]
    for flags, one in fitting:
        yield Suggestion(flags, one.needed())


def _changes(case: Case) -> Iterator[tuple[str, Case]]:
    """Yield single changes, those that cost time alone first."""
    recipe = case.recipe
    if case.gpu and case.world == 1 and recipe.run.zero:
        yield "--set run.zero=0", case.changed("run.zero", 0)
    for stage in (2, 3):
        if case.spreads and recipe.run.zero < stage:
            yield f"--set run.zero={stage}", case.changed("run.zero", stage)
    if recipe.batch.micro > 1:
        yield "--set batch.micro=1", case.changed("batch.micro", 1)
    if not recipe.run.checkpoint_gradients:
        yield "--set run.checkpoint_gradients=true", case.changed("run.checkpoint_gradients", True)
    learning = recipe.trained.connector or recipe.trained.vision_tower or recipe.trained.geometry_encoder
    if not case.cached and not learning:
        yield "--cache-features DIR", replace(case, cached=True)
    longest = case.volume.longest()
    if recipe.data.too_long == "shorten":
        for frames in (longest.frames // 2, longest.frames // 4):
            limit = frames * (longest.tokens - longest.text) // max(longest.frames, 1) + longest.text
            if frames >= _FEWEST_FRAMES:
                yield f"--set data.max_length={limit}", case.changed("data.max_length", limit)
    if recipe.trained.language_model == "full":
        # Adapters learn at a higher rate than whole weights: that of the -lora recipes.
        yield "--set trained.language_model=lora --set optim.lr=1e-4", case.changed("trained.language_model", "lora")


def _more_devices(case: Case) -> Iterator[tuple[str, Case]]:
    for world in (2, 4, 8, 16, 32) if case.gpu and case.recipe.objective.kind == "answers" else ():
        if world > case.world:
            flags = f"--num-gpus {world}" + (" --set run.zero=3" if case.recipe.run.zero != 3 else "")
            yield flags, case.changed("run.zero", 3).spread(world)


def usual_ways(case: Case) -> Iterator[Fit]:
    """Yield the usual ways to train this model on one and on eight devices."""
    base = case.changed("trained.language_model", "full").changed("run.checkpoint_gradients", True)
    base = base.changed("batch.micro", 1)
    lora = base.changed("trained.language_model", "lora")
    rows: Sequence[tuple[str, Case]] = (
        ("full, 1 GPU, run.zero=0", base.changed("run.zero", 0).spread(1)),
        ("full, 8 GPUs, run.zero=2", base.changed("run.zero", 2).spread(8)),
        ("full, 8 GPUs, run.zero=3", base.changed("run.zero", 3).spread(8)),
        ("LoRA, 1 GPU", lora.changed("run.zero", 0).spread(1)),
    )
    for what, one in rows:
        yield Fit(what, one.needed())
    if not case.cached:
        yield Fit("LoRA, 1 GPU, cached features", replace(rows[-1][1], cached=True).needed())
