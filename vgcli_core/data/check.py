"""What a request needs and finds, and how large its result will be: all that can be said before anything is written."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from vgcli_core.data.base import Dataset, Need, Plan, Request


@dataclass(frozen=True, slots=True)
class Status:
    """A need, and the files that meet it."""

    need: Need
    files: tuple[Path, ...]

    @property
    def missing(self) -> bool:
        """Whether the request cannot be met without them."""
        return not self.files and not self.need.optional


@dataclass(frozen=True, slots=True)
class Forecast:
    """How large a result will be.

    Attributes:
        units: split -> units of work (scenes, videos, pieces of a list).
        frames: frames to be stored, about.
        size: bytes of those frames, about: from what a typical frame of the dataset takes.
    """

    units: dict[str, int]
    frames: int
    size: int


def statuses(dataset: Dataset, request: Request) -> list[Status]:
    """Return every need of the request with the files that are there."""
    return [Status(need, tuple(need.find(request.raw))) for need in dataset.needs(request)]


def forecast(dataset: Dataset, request: Request, plan: Plan) -> Forecast:
    """Return how large the result of a plan will be."""
    units = Counter(unit.split for unit in plan.units)
    frames = sum(unit.frames for unit in plan.units) if request.with_frames else 0
    return Forecast({split: units[split] for split in request.splits}, frames, frames * dataset.frame_bytes)
