"""The forecast of a training run as text for people: does it fit, what takes how much, how long. Prints nothing."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vgcli.preparing import duration
from vgcli.readable import one_line

if TYPE_CHECKING:
    from vgcli_core.training.forecast import Forecast

_GB = 10**9
_BAR = 30


def forecast(found: "Forecast") -> Iterator[RenderableType]:
    """Yield the verdict, then memory by part, parameters, steps, time, what fits elsewhere, and what is assumed."""
    yield from verdict(found)
    yield Padding(_memory(found), (1, 0, 0, 0))
    yield Padding(_parameters(found), (1, 0, 0, 0))
    yield Padding(_run(found), (1, 0, 0, 0))
    if found.table:
        yield Padding(_sizes(found), (1, 0, 0, 0))
    for note in found.notes:
        yield Text(f"note: {one_line(note)}", style="yellow")


def verdict(found: "Forecast") -> Iterator[RenderableType]:
    """Yield whether the run fits, and changes with which it would."""
    per = f"of each {'process' if found.hardware.name == 'this CPU' else 'GPU'} ({_devices(found)})"
    if found.hardware.memory is None:
        yield Text(f"needs {_gb(found.needed)} GB {per}; how much there is, is not known", style="bold")
        return
    amount = f"{_gb(found.needed)} of {_gb(found.hardware.memory)} GB {per}"
    if found.fits:
        yield Text(f"fits: {amount}", style="bold green")
        return
    yield Text(f"does not fit: {amount}", style="bold red")
    for one in found.suggestions:
        yield Text(f"  would fit: {one.flags}  ({_gb(one.needed)} GB)")
    if not found.suggestions:
        yield Text("  nothing that was tried fits: use devices with more memory, or a smaller model")


def _memory(found: "Forecast") -> Table:
    table = _table("memory", "GB", "")
    rows = {**found.memory, "outside torch's tensors": found.overhead}
    largest = max(rows.values())
    for name, size in rows.items():
        if size:
            table.add_row(name, _gb(size), "\u2588" * max(round(_BAR * size / largest), 1))
    table.add_row("in all", _gb(found.needed), f"largest at: {found.moment}", style="bold")
    return table


def _parameters(found: "Forecast") -> Table:
    table = _table("parameters", "trained", "frozen")
    for part, share in found.parts.items():
        if share.trained or share.frozen:
            table.add_row(part, f"{share.trained:,}", f"{share.frozen:,}")
    trained = sum(share.trained for share in found.parts.values())
    frozen = sum(share.frozen for share in found.parts.values())
    table.add_row("in all", f"{trained:,}", f"{frozen:,}", style="bold")
    return table


def _run(found: "Forecast") -> Table:
    from vgcli_core.training.forecast import MFU

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, min_width=10)
    grid.add_column(overflow="fold")
    grid.add_row("samples", f"{found.samples:,} in an epoch")
    grid.add_row("longest", f"{found.longest_tokens:,} tokens, {found.longest_frames} frames")
    grid.add_row("steps", f"{found.steps:,} of {found.tokens_per_step:,.0f} tokens on average")
    grid.add_row("work", f"{found.operations / 1e12:,.4g} TFLOP a step, recomputation counted")
    if found.seconds is None:
        grid.add_row("time", "the speed of this device is not known")
    else:
        peak = f"{MFU:.0%} of the peak of {_devices(found)}"
        grid.add_row("time", f"about {duration(found.seconds)}, if {peak} is reached")
    if found.published_hours is not None:
        said, reached = f"{found.published_hours:.0f} h on 8 GPUs", found.published_mfu
        if reached is not None:
            said += f": {reached:.0%} of the peak of 8 such GPUs; "
            said += f"at that rate a run takes {MFU / reached:.1f} times the time above"
        grid.add_row("published", said)
    return grid


def _sizes(found: "Forecast") -> Table:
    from vgcli_core.training.fitting import GPU_SIZES

    table = _table("what fits", "GB each", *(f"in {size} GB" for size in GPU_SIZES))
    for one in found.table:
        table.add_row(one.what, _gb(one.needed), *("yes" if one.needed <= size * _GB else "no" for size in GPU_SIZES))
    return table


def _devices(found: "Forecast") -> str:
    if found.hardware.assumed:
        return f"{found.world} GPU{'s' if found.world > 1 else ''}, assumed"
    return f"{found.world} x {found.hardware.name}"


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    return table


def _gb(size: int) -> str:
    return f"{size / _GB:.1f}" if size >= _GB / 10 else f"{size / _GB:.3f}"
