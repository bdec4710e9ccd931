"""A training run as text for people, while it goes on and at its end. Pure: prints nothing."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vgcli import interrupts
from vgcli.preparing import duration, size
from vgcli.readable import one_line

if TYPE_CHECKING:
    from vgcli_core.training.progress import Outcome, Progress, Settings, Watch
    from vgcli_core.training.recipe import Recipe

_SMOOTHING = 0.95  # weight of the past in the mean loss that is shown
_BAR = 40


class Board:
    """What is known of a run at the moment; rich shows it as a block of lines that stay in place."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.now: Progress | None = None
        self.doing = ""
        self.measured = ""
        self._mean = self._weight = 0.0
        self._said = -math.inf

    @property
    def loss(self) -> float:
        """Mean loss of the last steps, the newest counting most."""
        return self._mean / self._weight if self._weight else math.nan

    def step(self, now: "Progress") -> None:
        """Take in a step."""
        self.now, self.doing = now, ""
        self._mean = _SMOOTHING * self._mean + (1 - _SMOOTHING) * now.loss
        self._weight = _SMOOTHING * self._weight + 1 - _SMOOTHING
        if now.measures:
            self.measured = f"after step {now.step:,}: {measures(now.measures)}"

    def is_due(self, seconds: float) -> bool:
        """Tell whether a log wants another line: it is some seconds since the last one."""
        if time.monotonic() - self._said < seconds:
            return False
        self._said = time.monotonic()
        return True

    def line(self) -> str:
        """Return where the run stands, on one line."""
        if self.now is None:
            return self.doing
        now = self.now
        parts = [f"step {now.step:,} of {now.steps:,}", f"loss {self.loss:.4f} (now {now.loss:.4f})", *_speed(now)]
        return ", ".join([*parts, f"{duration(now.seconds_left)} left", *_left_out(now)])

    def __rich__(self) -> RenderableType:
        """Return the block."""
        rows = Table.grid(padding=(0, 2))
        rows.add_column(no_wrap=True, style="cyan", min_width=10)
        rows.add_column(overflow="fold")
        if self.now is not None:
            now = self.now
            rows.add_row(
                "loss", Text(f"{self.loss:.4f}, now {now.loss:.4f}; gradient {now.grad_norm:.3g}; lr {now.lr:.2e}")
            )
            rows.add_row("speed", Text(", ".join(_speed(now))))
            for words in _left_out(now):
                rows.add_row("left out", Text(f"{words}: see bad.jsonl"))
        if self.measured:
            rows.add_row("measured", Text(one_line(self.measured)))
        if self.doing:
            rows.add_row("doing", Text(one_line(self.doing)))
        return Group(self._head(), rows)

    def _head(self) -> RenderableType:
        head = Table.grid(padding=(0, 2))
        name = Text(one_line(self.name), style="bold")
        if self.now is None:
            head.add_row(name)
            return head
        now = self.now
        head.add_row(
            name,
            ProgressBar(total=now.steps, completed=now.step, width=_BAR),
            Text(f"{now.step:,} of {now.steps:,} steps, {duration(now.seconds_left)} left"),
        )
        return head


def moving(board: Board, say: Callable[[str], None]) -> "Watch":
    """Return a watch for a terminal that shows the board; `say` prints a remark above it."""
    from vgcli_core.training.progress import Watch

    def step(now: "Progress") -> None:
        interrupts.check()
        board.step(now)

    def doing(text: str) -> None:
        interrupts.check()
        board.doing = text

    return Watch(step=step, say=say, doing=doing)


def logged(board: Board, line: Callable[[str, str, str], None], *, every: float) -> "Watch":
    """Return a watch for a log.

    Args:
        board: takes in what happens.
        line: prints a head, a text, in a style.
        every: seconds from line to line; what is measured is told at once.
    """
    from vgcli_core.training.progress import Watch

    head = f"{one_line(board.name)}:"

    def step(now: "Progress") -> None:
        interrupts.check()
        first = board.now is None
        board.step(now)
        if board.is_due(every) or first or now.measures or now.step == now.steps:
            line(head, board.line(), "bold")
        if now.measures:
            line(head, f"measured {board.measured}", "bold")

    def doing(text: str) -> None:
        interrupts.check()
        # A count that goes up is the same work: it is told now and then.
        new = text.split()[:2] != board.doing.split()[:2]
        board.doing = text
        if board.now is None and (board.is_due(every) or new):
            line(head, text, "bold")

    return Watch(step=step, say=lambda text: line("note:", text, "yellow"), doing=doing)


def opening(recipe: "Recipe", settings: "Settings", name: str, world: int) -> Iterator[RenderableType]:
    """Yield what is about to be trained, on what, and where it goes."""
    grid = _grid()
    trained = recipe.trained
    flags = {
        f"language model{' (LoRA)' if trained.language_model == 'lora' else ''}": trained.language_model != "none",
        "geometry merger": trained.geometry_merger,
        "connector": trained.connector,
        "vision tower": trained.vision_tower,
        "geometry encoder": trained.geometry_encoder,
    }
    if recipe.start.geometry_encoder == "none":
        del flags["geometry merger"], flags["geometry encoder"]
    grid.add_row("recipe", Text(one_line(f"{name}: {recipe.description}" if recipe.description else name)))
    grid.add_row("weights", Text(one_line(recipe.start.weights)))
    grid.add_row("data", Text(one_line(f"{', '.join(recipe.data.sets)}, in {settings.data}")))
    grid.add_row("trained", Text(", ".join(part for part, learns in flags.items() if learns) or "nothing"))
    grid.add_row("frozen", Text(", ".join(part for part, learns in flags.items() if not learns) or "nothing"))
    products = "bfloat16" if recipe.run.precision == "bf16" else "float32"
    grid.add_row("precision", Text(f"{products} products, float32 master weights"))
    grid.add_row("batch", Text(batch(recipe.batch.size, recipe.batch.micro, world, questions=recipe.batch.questions)))
    grid.add_row("run folder", Text(f"{settings.out} (log.jsonl, timing.jsonl, bad.jsonl, run.json)"))
    yield grid


def batch(size_: int, micro: int, world: int, *, questions: int = 1) -> str:
    """Return a step's samples as a product: 64 samples a step = 8 processes x 1 at a time x 8 turns."""
    turns = math.ceil(size_ / (micro * world))
    sign = "=" if turns * micro * world == size_ else "in at most"
    processes = f"{world} process{'es' if world > 1 else ''}"
    what = "samples" if questions == 1 else f"rows of up to {questions} questions"
    return f"{size_} {what} a step {sign} {processes} x {micro} at a time x {turns} turn{'s' if turns > 1 else ''}"


def closing(outcome: "Outcome", board: Board) -> Iterator[RenderableType]:
    """Yield how a finished run ended, and what can be done with its model."""
    grid = _grid()
    grid.add_row("finished", Text(f"{outcome.steps:,} steps in {outcome.folder}"))
    if outcome.loss is not None:
        grid.add_row("loss", Text(f"{outcome.loss:.4f}, mean of the last steps (at most 50)"))
    if board.measured:
        grid.add_row("measured", Text(one_line(board.measured)))
    if outcome.bad:
        grid.add_row(
            "left out", Text(f"{outcome.bad:,} samples that could not be used: {outcome.folder / 'bad.jsonl'}")
        )
    grid.add_row("try it", Text(f'vgllm predict VIDEO "where is the sink?" --model {outcome.folder / "model"}'))
    yield grid


def measures(found: Mapping[str, float]) -> str:
    """Return measures on one line."""
    return one_line(", ".join(f"{name} {value:.4f}" for name, value in found.items()))


def _speed(now: "Progress") -> list[str]:
    return [
        f"{now.tokens_per_second:,.0f} tokens/s",
        f"{now.samples_per_second:.3g} samples/s",
        f"{100 * now.wait_share:.1f} % waiting for data",
        f"{size(now.memory)} of memory",
    ]


def _left_out(now: "Progress") -> list[str]:
    return [f"{now.bad:,} sample{'s' if now.bad > 1 else ''} left out"] if now.bad else []


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="cyan", min_width=10)
    grid.add_column(overflow="fold")
    return grid
