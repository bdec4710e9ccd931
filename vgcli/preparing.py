"""Datasets, needs, plans and finished sets as tables for people: 80 columns, no colour needed. Pure: prints nothing."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vgcli.readable import one_line

if TYPE_CHECKING:
    from vgcli_core.data.base import Dataset, Plan, Request
    from vgcli_core.data.check import Forecast, Status
    from vgcli_core.data.prepare import Outcome, Progress
    from vgcli_core.data.workplace import Quarantined

_MOST_LINES = 12
_MOST_PLACES = 3  # of a file that is missing
_MOST_QUARANTINED = 20


def datasets(found: Sequence["Dataset"]) -> Iterator[RenderableType]:
    """Yield a table of all datasets and their splits."""
    table = plain_table("name", "what", "splits")
    for one in found:
        splits = ", ".join(name if name in one.default_splits else f"({name})" for name in one.splits)
        table.add_row(one.name, one.title, splits)
    yield table
    yield Text(
        "Splits in brackets are made when --split names them. vgllm prepare NAME --check says what is needed.",
        style="dim",
    )


def needs(dataset: "Dataset", request: "Request", found: Sequence["Status"]) -> Iterator[RenderableType]:
    """Yield one block for each need: is it there, where it goes, who gives it, what has to be accepted."""
    missing = sum(status.missing for status in found)
    said = "all that is needed is there" if not missing else f"{missing} of {len(found)} kinds of files are missing"
    yield Text(f"{dataset.name}: {one_line(dataset.title)}", style="bold")
    yield Text(f"{said}, below {request.raw}" if found else "nothing is needed")
    if found and not request.raw.is_dir():
        yield Text(f"there is no folder {request.raw}: make it, or name another one with --raw", style="bold")
    for status in found:
        need = status.need
        state = "missing" if status.missing else "there" if status.files else "optional"
        style = {"missing": "bold red", "there": "green", "optional": "yellow"}[state]
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True, min_width=8)
        grid.add_column(overflow="fold")
        grid.add_row(Text(state, style=style), Text(one_line(need.what), style="bold"))
        if status.files:
            more = f" and {len(status.files) - 1:,} more" if len(status.files) > 1 else ""
            grid.add_row("", Text(f"{status.files[0]}{more}"))
        else:
            grid.add_row("", Text(f"put it at  {request.raw / need.places[0]}"))
            for place in need.places[1:_MOST_PLACES]:
                grid.add_row("", Text(f"or at      {request.raw / place}", style="dim"))
            if len(need.places) > _MOST_PLACES:
                more = f"or at      {len(need.places) - _MOST_PLACES} more places that such files are known to lie at"
                grid.add_row("", Text(more, style="dim"))
            grid.add_row("", Text(f"get it     {need.owner}, {need.url}"))
            grid.add_row("", Text(f"accept     {need.terms or 'terms are not known here: see the page'}"))
            if need.size:
                grid.add_row("", Text(f"size       {need.size}"))
        yield Padding(grid, (1, 0, 0, 0))
    if missing and dataset.whole:
        yield Padding(Text(f"result: {one_line(dataset.whole)}"), (1, 0, 0, 0))
    if dataset.options:
        yield Padding(Text("options: --set NAME=VALUE", style="bold"), (1, 0, 0, 0))
        table = plain_table("name", "default", "what")
        for option in dataset.options:
            choices = f" ({', '.join(str(choice) for choice in option.choices)})" if option.choices else ""
            table.add_row(option.name, _plain(option.default), f"{option.help}{choices}")
        yield table


def forecast(dataset: "Dataset", request: "Request", found: "Forecast") -> Iterator[RenderableType]:
    """Yield how much work there is and how large the result will be."""
    yield Text("")
    units = ", ".join(f"{split} {count:,}" for split, count in found.units.items())
    yield Text(f"work: {units} scenes, videos or pieces")
    if not request.with_frames:
        yield Text("result: samples alone, no frames are stored")
    elif found.frames:
        yield Text(f"result: about {found.frames:,} frames, {size(found.size)}, and one line for each sample")
    else:
        yield Text("result: one line for each sample; how many frames, the run will say")


def plan(
    dataset: "Dataset", request: "Request", found: "Plan", measured: "Forecast", out: Path
) -> Iterator[RenderableType]:
    """Yield what a run would do, and that it did nothing."""
    yield Text(f"{dataset.name}: {one_line(dataset.title)}", style="bold")
    yield Text(f"from {request.raw} into {out}; nothing was written")
    yield from forecast(dataset, request, measured)
    table = plain_table("split", "unit", "frames, about")
    for unit in found.units[:_MOST_LINES]:
        table.add_row(unit.split, Text(one_line(unit.key)), f"{unit.frames:,}" if unit.frames else "-")
    yield table
    if len(found.units) > _MOST_LINES:
        yield Text(f"and {len(found.units) - _MOST_LINES:,} more units")
    for split, drops in found.drops.items():
        for reason, count in drops.items():
            yield Text(f"dropped: {split}, {count:,} {one_line(reason)}")
    for note in found.notes:
        yield Text(f"note: {one_line(note)}")


def prepared(outcome: "Outcome") -> Iterator[RenderableType]:
    """Yield what a finished set holds, split by split, beside the published counts."""
    manifest: dict[str, Any] = outcome.manifest or {}
    now = outcome.progress
    yield Text(f"{manifest['dataset']}: {one_line(manifest['title'])}", style="bold")
    if now.total and now.earlier == now.total:
        yield Text("everything was there already; nothing was done")
    table = plain_table("split", "count", "here", "published")
    for split, held in manifest["splits"].items():
        for place, (name, count, known) in enumerate(_counts(held)):
            published = "" if known is None else f"{known:,}"
            table.add_row(split if place == 0 else "", Text(one_line(name)), f"{count:,}", published)
    yield table
    frames = manifest["frames"]
    files = f" in {frames['files']:,} tar files" if manifest["job"]["pack"] else ""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="cyan", min_width=8)
    grid.add_column(overflow="fold")
    choice = f"; choice: {manifest['job']['frames']}" if manifest["job"]["frames"] else ""
    grid.add_row("frames", Text(f"{frames['count']:,}{files}, {size(frames['bytes'])}{choice}"))
    for split, held in manifest["splits"].items():
        shown = held["target_visible"]
        if shown["share"] is not None:
            total = shown["yes"] + shown["no"]
            said = f"{split}: the target is in some frame of {shown['yes']:,} of {total:,} samples"
            grid.add_row("visible", Text(f"{said} ({100 * shown['share']:.1f} %)"))
        for reason, count in held["drops"].items():
            grid.add_row("dropped", Text(f"{split}: {count:,} {one_line(reason)}"))
        if "published_layout" in held:
            grid.add_row("written", Text(f"{held['published_layout']['file']}: the published layout"))
    notes = list(manifest["notes"].items())
    for remark, count in notes[:_MOST_LINES]:
        grid.add_row("note", Text(one_line(remark) + (f" ({count:,} times)" if count > 1 else "")))
    if len(notes) > _MOST_LINES:
        grid.add_row("", Text(f"and {len(notes) - _MOST_LINES:,} more notes in manifest.json"))
    yield grid


def shard_done(outcome: "Outcome") -> Iterator[RenderableType]:
    """Yield that a shard is done, and what happens next."""
    now = outcome.progress
    earlier = f"; {now.earlier:,} of the units were done before" if now.earlier else ""
    yield Text(f"this shard is done: {now.done:,} units, {now.samples:,} samples, {now.frames:,} frames now{earlier}")
    yield Text(f"{outcome.left:,} units of other shards are not; the last shard to end writes the set's files")


def quarantine(reasons: Sequence["Quarantined"]) -> Iterator[RenderableType]:
    """Yield what was left out, and why."""
    yield Text(f"left out: {len(reasons):,} damaged {'unit' if len(reasons) == 1 else 'units'}", style="bold red")
    for reason in reasons[:_MOST_QUARANTINED]:
        yield Text(f"{reason.split} {one_line(reason.unit)}: {one_line(reason.what)}")
        if reason.where:
            yield Text(f"  where: {one_line(reason.where)}", style="dim")
        if reason.fix:
            yield Text(f"  fix: {one_line(reason.fix)}", style="dim")
    if len(reasons) > _MOST_QUARANTINED:
        yield Text(f"and {len(reasons) - _MOST_QUARANTINED:,} more in manifest.json")
    yield Text("mend them and run the same command again: only they are built anew; the set is complete without them")


def size(count: float) -> str:
    """Return bytes in words: 1.5 GB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} bytes" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


class Clock:
    """Turns how far a run is into a line with its speed and the time left."""

    def __init__(self) -> None:
        self._began = self._said = time.monotonic()

    def is_due(self, seconds: float) -> bool:
        """Tell whether it is time for another line in a log."""
        if time.monotonic() - self._said < seconds:
            return False
        self._said = time.monotonic()
        return True

    def line(self, now: "Progress") -> str:
        """Return units done, what was written, units a second and the time left."""
        if not now.total:
            self._began = time.monotonic()
            return now.doing
        built, elapsed = now.done - now.earlier, time.monotonic() - self._began
        parts = [f"{now.done:,} of {now.total:,}", f"{now.samples:,} samples", f"{now.frames:,} frames"]
        if built and elapsed > 0:
            rate = built / elapsed
            parts.append(f"{rate:.3g}/s" if rate >= 1 else f"{60 * rate:.3g}/min")
            parts.append(f"{duration((now.total - now.done) / rate)} left")
        if now.quarantined:
            parts.append(f"{now.quarantined:,} left out")
        return ", ".join([*parts, now.doing])


def duration(seconds: float) -> str:
    """Return seconds in words: 1 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _counts(held: dict[str, Any]) -> Iterator[tuple[str, int, int | None]]:
    """Yield name, number and published number; what is published first."""
    published = held["published"]
    counts = {"samples": held["samples"], **held["counts"]}
    for name in dict.fromkeys(["samples", *published, *counts]):
        yield name, counts.get(name, 0), published.get(name)


def _plain(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def plain_table(*headings: str) -> Table:
    """Return an empty table without lines between its columns; columns of numbers stand on the right."""
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    for heading in headings:
        numbers = heading in ("here", "published", "frames, about")
        table.add_column(heading, justify="right" if numbers else "left", overflow="fold", no_wrap=numbers)
    return table
