"""Questions about videos: one video is one unit; its frames are decoded once, and each question becomes a sample.

Frames are chosen by the rule of the paper's evaluation: `num_frames` evenly spaced over those that can be decoded, both
ends included, all of them where there are fewer (formats of media, section 1). They are stored once per video, under
the position of the frame in the video.
"""

import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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


def plan_videos(request: Request, library: Library, splits: Mapping[str, Iterable[tuple[str, Q] | BadRow]]) -> Plan:
    """Return a plan with a unit for each wanted video.

    Left out and counted are bad rows, questions whose id is known already, and questions about a video that is not
    there. A limit counts rows of the wanted videos, bad ones included.

    Args:
        request: wanted videos, and the limit.
        library: where videos are.
        splits: rows of each split: video and question, or why the row is neither.
    """
    units: list[Unit] = []
    drops, counts = {}, {}
    for split, read in splits.items():
        rows = list(read)
        wanted = set(request.wanted(list(dict.fromkeys(row[0] for row in rows if not isinstance(row, BadRow)))))
        taken = [row for row in rows if (request.scenes is None if isinstance(row, BadRow) else row[0] in wanted)]
        taken = taken[: request.limit]
        dropped: Counter[str] = Counter()
        by_video = _by_video(taken, dropped)
        counts[split] = {"questions": len(taken), "videos": len(by_video)}
        for name, questions in by_video.items():
            place = library.find(name)
            if place is None:
                dropped[MISSING] += len(questions)
            else:
                job = VideoJob(name, place, tuple(questions))
                units.append(Unit(name, split, job, request.num_frames or NUM_FRAMES))
        drops[split] = dict(dropped)
    return Plan(tuple(units), drops, counts)


def _by_video(rows: Iterable[tuple[str, Q] | BadRow], dropped: Counter[str]) -> dict[str, list[Q]]:
    found: dict[str, list[Q]] = {}
    known: set[str] = set()
    for row in rows:
        if isinstance(row, BadRow):
            dropped[str(row)] += 1
        elif not is_plain(row[0]):
            dropped["the name of the video is no file name"] += 1
        elif row[1].id in known:
            dropped["repeated id"] += 1
        else:
            known.add(row[1].id)
            found.setdefault(row[0], []).append(row[1])
    return found


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
