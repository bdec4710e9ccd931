"""A score as a bar: a dot for the value, a band for its interval, marks for published numbers. SVG, no script."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from vgcli_core.drawing.html import text
from vgcli_core.evaluation.report import Scored
from vgcli_core.evaluation.tables import ends, percent

# Shapes around the origin; models other than the paper's two share one.
_MARKS = {
    "4B": '<path class="mark hollow" d="M0 -5L5 4H-5Z"/>',
    "8B": '<path class="mark" d="M0 -6L5 0L0 6L-5 0Z"/>',
}
_OTHER = '<path class="mark" d="M-4 -4H4V4H-4Z"/>'
_DOT = '<circle class="dot" r="5"/>'
_BAND = '<rect class="band" x="-8" y="-5" width="16" height="10" rx="2"/>'
_STEP = 0.5  # the end of the scale is a multiple of it, at least 1


def scale_of(scores: Iterable[Scored], published: Iterable[float]) -> float:
    """Return the end of a scale from 0 that holds all fractions: 1, or more where CIDEr needs it."""
    ends_of_bars = [end for score in scores if not score.unit for end in (score.value, *(score.ci95 or ()))]
    highest = max([end for end in (*ends_of_bars, *published) if end is not None], default=1.0)
    return max(1.0, -(-highest // _STEP) * _STEP)


def bar(score: Scored, published: Mapping[str, float], *, scale: float = 1.0) -> str:
    """Return a bar, nothing for a score that is no fraction.

    Args:
        score: its value and interval.
        published: fractions by model.
        scale: the fraction at the right end.
    """
    if score.unit:
        return ""
    said = f"{percent(score.value)} %" if score.value is not None else "undefined"
    said += f", 95 % interval {ends(score.ci95)}" if score.ci95 else ""
    said += "".join(f", paper {model} {percent(number, 1)}" for model, number in published.items())
    said += f"; scale 0 to {percent(scale, 0)}"
    parts = ['<rect class="track" y="9" width="100%" height="6" rx="3"/>']
    if score.ci95 is not None:
        low, high = (_place(end, scale) for end in score.ci95)
        parts.append(
            f'<rect class="band" x="{low:.2f}%" y="7" width="{max(high - low, 0.3):.2f}%" height="10" rx="2"/>'
        )
    if score.value is not None:
        parts.append(_at(_DOT, score.value, scale))
    parts += [_at(mark(model), number, scale) for model, number in published.items()]
    return f'<svg class="bar" role="img" aria-label="{text(said)}"><title>{text(said)}</title>{"".join(parts)}</svg>'


def mark(model: str) -> str:
    """Return the mark of a model's published numbers, around the origin."""
    return _MARKS.get(model, _OTHER)


def key(shape: str) -> str:
    """Return a shape as a small picture beside its name."""
    return f'<svg viewBox="-8 -7 16 14" aria-hidden="true">{shape}</svg>'


def marks_legend(models: Sequence[str]) -> Iterator[str]:
    """Yield what dots, bands and marks mean."""
    yield f"<li>{key(_DOT)}this run</li>"
    yield f"<li>{key(_BAND)}its 95 % interval</li>"
    yield from (f"<li>{key(mark(model))}the paper's {text(model)} model</li>" for model in models)


def paper_numbers(published: Mapping[str, float]) -> Iterator[str]:
    """Yield published numbers with their marks, nothing for none."""
    if published:
        items = (
            f"<li>{key(mark(model))}{text(model)} {percent(number, 1)}</li>" for model, number in published.items()
        )
        yield f'<ul class="paper" aria-label="published">{"".join(items)}</ul>'


def _at(shape: str, value: float, scale: float) -> str:
    # A nested picture can stand at a share of the width; a path cannot.
    return f'<svg x="{_place(value, scale):.2f}%" y="12" overflow="visible">{shape}</svg>'


def _place(value: float, scale: float) -> float:
    return 100 * min(max(value / scale, 0.0), 1.0)
