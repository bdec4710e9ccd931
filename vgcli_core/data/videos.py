"""Questions about videos: one video is one unit; its frames are decoded once, and each question becomes a sample.

Frames are chosen by the rule of the paper's evaluation: `num_frames` evenly spaced over those that can be decoded, both
ends included, all of them where there are fewer (formats of media, section 1). They are stored once per video, under
the position of the frame in the video.
"""

import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from PIL import Image

from vgcli_core.data.base import Option, Plan, Request, Unit, Work
from vgcli_core.data.raw.hub_media import Library, Place, is_plain, opened
from vgcli_core.data.raw.rows import BadRow
from vgcli_core.media.images import Pixels
from vgcli_core.media.sampling import Sampling, select
from vgcli_core.media.track import survey
from vgcli_core.media.video import DECODERS, read_video

NUM_FRAMES = 32  # of the paper's evaluation
OPTIONS = (
    Option("image_format", "jpg", "how frames of videos are stored: jpg (quality 95, 4:4:4) or png", ("jpg", "png")),
    Option("decoder", "auto", "who decodes videos: frame counts may depend on it", tuple(DECODERS)),
)
MISSING = "video missing"


class VideoQuestion(Protocol):
    """What is needed of a question here: an id that is unique within the split."""

    @property
    def id(self) -> str:
        """Unique within the split."""


Q = TypeVar("Q", bound=VideoQuestion)


@dataclass(frozen=True, slots=True)
class VideoJob(Generic[Q]):
    """The payload of a unit.

    Attributes:
        name: of the video within its dataset, "scannet/scene0011_00": its scene, and the folder of its frames.
        place: where it is.
        questions: all about it, in the owner's order.
    """

    name: str
    place: Place
    questions: tuple[Q, ...]


@dataclass(frozen=True, slots=True)
class Footage:
    """The stored frames of one video.

    Attributes:
        names: below `frames/`.
        times: seconds of each from the first frame of the video.
        total: frames of the video that can be decoded.
        decoder: who decoded them, "" where nothing was decoded.
    """

    names: tuple[str, ...]
    times: tuple[float, ...]
    total: int
    decoder: str

    @property
    def info(self) -> dict[str, Any]:
        """What a sample says about its video: frame counts depend on the decoder."""
        return {"decoder": self.decoder, "video_frames": self.total} if self.decoder else {"video_frames": self.total}


@dataclass
class Questions(Generic[Q]):
    """What was read of one split: questions by video, in the order of the first one, and what was left out."""

    by_video: dict[str, list[Q]] = field(default_factory=dict)
    drops: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)


def gather(rows: Iterable[tuple[str, Q] | BadRow], limit: int | None) -> Questions[Q]:
    """Group questions by video; a question whose id is known already is dropped.

    Args:
        rows: video and question of each row, or why the row is none.
        limit: rows to look at, None for all.
    """
    found: Questions[Q] = Questions()
    known: set[str] = set()
    for row in islice(rows, limit):
        found.counts["questions"] += 1
        if isinstance(row, BadRow):
            found.drops[str(row)] += 1
        elif not is_plain(row[0]):
            found.drops["the name of the video is no file name"] += 1
        elif row[1].id in known:
            found.drops["repeated id"] += 1
        else:
            known.add(row[1].id)
            found.by_video.setdefault(row[0], []).append(row[1])
    found.counts["videos"] = len(found.by_video)
    return found


def plan_videos(request: Request, library: Library, splits: Mapping[str, Questions[Q]]) -> Plan:
    """Return a plan with a unit for each wanted video; questions about a video that is not there are dropped."""
    units = []
    drops = {}
    for split, found in splits.items():
        dropped = Counter(found.drops)
        for name in request.wanted(list(found.by_video)):
            questions = found.by_video[name]
            place = library.find(name)
            if place is None:
                dropped[MISSING] += len(questions)
            else:
                frames = request.num_frames or NUM_FRAMES
                units.append(Unit(name, split, VideoJob(name, place, tuple(questions)), frames))
        drops[split] = dict(dropped)
    return Plan(tuple(units), drops, {split: dict(found.counts) for split, found in splits.items()})


def store_frames(job: VideoJob[Any], dataset: str, request: Request, work: Work) -> Footage:
    """Decode and store the frames of a video: "vsi_bench/scannet/scene0011_00/000017.jpg".

    Without frames wanted, the names are worked out from the list of frames in the file, and nothing is decoded.

    Raises:
        MediaError: the video is damaged.
        DataError: its zip is.
    """
    sampling = Sampling(num_frames=request.num_frames or NUM_FRAMES)
    suffix = str(request.options["image_format"])
    work.input(job.place.path)
    with opened(job.place) as path:
        if not request.with_frames:
            track = survey(path)
            indices = select(sampling, len(track.stamps), track.times, where=str(path))
            names = tuple(f"{dataset}/{job.name}/{index:06}.{suffix}" for index in indices)
            return Footage(names, tuple(track.times[index] for index in indices), len(track.stamps), "")
        clip = read_video(path, sampling, str(request.options["decoder"]))
    names = tuple(f"{dataset}/{job.name}/{index:06}.{suffix}" for index in clip.indices)
    for name, image in zip(names, clip.images, strict=True):
        work.frame(name, encoded(image, suffix))
    work.count(f"videos decoded by {clip.decoder}")
    for note in clip.notes:
        work.note(note)
    return Footage(names, clip.times, clip.total, clip.decoder)


def encoded(image: Pixels, suffix: str) -> bytes:
    """Return [H, W, 3] uint8 RGB as PNG, or as JPEG of quality 95 with all its colour samples."""
    buffer = io.BytesIO()
    if suffix == "png":
        Image.fromarray(image).save(buffer, "PNG")
    else:
        Image.fromarray(image).save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()
