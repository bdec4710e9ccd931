"""Folders of frames, one for each video: found below any number of further folders, or taken out of archives.

The owner distributes 16 archives of whole folders; of each folder only the frames that training looks at are written.

Source: formats of LLaVA-Hound, section 1.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vgcli_core.atomic import atomic_folder, write_text
from vgcli_core.data.raw.hub_media import is_plain
from vgcli_core.data.raw.reading import reading
from vgcli_core.data.raw.tar_stream import Member, read_members
from vgcli_core.errors import DataError
from vgcli_core.media.images import PICTURES

ROOTS = ("llava_hound", "LLaVA-Hound", "train_video_and_instruction", "train_300k")
"""Folders below the raw folder that are searched; the first is where a user is told to put things."""

_CHUNKS = ("chunk_*.tar.gz", "chunk_*.tar")
_DEPTH = 4  # folders below a root in which the folders of videos may lie
_FEW = 64  # so many subfolders are looked into; more are taken for folders of videos, unless their name says otherwise
_LEVEL = re.compile(r"chunk_?[0-9]+|train_?[0-9]*k?|frames", re.IGNORECASE)
_LIST = "frames.json"
_LARGEST_PICTURE = 16 << 20  # bytes; frames of 336 pixels have some ten thousand
_LARGEST_VIDEO = 512 << 20  # bytes of all frames of one video


@dataclass(frozen=True)
class Chosen:
    """The frames of one video that training looks at: their files in temporal order, and how many there are in all."""

    paths: tuple[Path, ...]
    total: int


Rule = Callable[[int], list[int]]
"""Number of frames -> positions of those to take."""


def find_levels(raw: Path) -> list[Path]:
    """Return the folders that directly hold folders: a video's folder is in one of them."""
    return [folder for root in ROOTS if (raw / root).is_dir() for folder in _levels(raw / root, _DEPTH)]


def find_chunks(raw: Path) -> list[Path]:
    """Return the archives of frames, in order."""
    folders = [raw / root / inner for root in ROOTS for inner in ("", "train_300k", "frames")]
    found: dict[str, Path] = {}
    for folder in folders:
        for pattern in _CHUNKS:
            for path in sorted(folder.glob(pattern)):
                found.setdefault(path.name.partition(".")[0], path)
    return sorted(found.values(), key=lambda path: (len(path.name), path.name))


def chunk_places() -> tuple[str, ...]:
    """Return glob patterns of the archives."""
    return tuple(f"{root}/{inner}chunk_*.tar*" for root in ROOTS for inner in ("train_300k/", ""))


def folder_places() -> tuple[str, ...]:
    """Return glob patterns of extracted frames."""
    return (f"{ROOTS[0]}/frames/*/*.jp*g", *(f"{root}/**/*.jp*g" for root in ROOTS))


def find_frames(video: str, levels: Sequence[Path], staged: Path | None, rule: Rule) -> Chosen | None:
    """Return the frames of a video from the first folder that there is, None where there is none.

    Args:
        video: its id, the name of its folder.
        levels: folders that may hold it.
        staged: folder that `stage_frames` filled.
        rule: which frames to take.
    """
    if staged is not None:
        folder = staged / video
        if (folder / _LIST).is_file():
            listed = json.loads((folder / _LIST).read_text(encoding="utf-8"))
            return Chosen(tuple(folder / name for name in listed["names"]), listed["total"])
    for level in levels:
        if (level / video).is_dir():
            paths = _pictures(level / video)
            return Chosen(tuple(paths[place] for place in rule(len(paths))) if paths else (), len(paths))
    return None


def stage_frames(
    chunks: Sequence[Path], wanted: set[str], folder: Path, rule: Rule, progress: Callable[[str], None]
) -> None:
    """Write the chosen frames of the wanted videos out of archives into `folder`/<video>/.

    A video's folder appears whole. An archive that was read to its end is not read again, and reading stops when
    nothing is wanted any more. Memory holds the frames of one video.

    Raises:
        DataError: an archive is damaged, or the frames of a video are not together in it.
    """
    wanted = {video for video in wanted if not (folder / video / _LIST).is_file()}
    total = len(wanted)
    for chunk in chunks:
        done = folder / f".{chunk.name}.done"
        if not wanted or done.exists():
            continue
        written: set[str] = set()
        for video, frames in _videos(chunk, wanted, written):
            progress(f"{chunk.name}: {total - len(wanted):,} of {total:,} videos")
            _write(folder / video, frames, rule)
            written.add(video)
            wanted.discard(video)
            if not wanted:
                return
        write_text(done, "")


def _videos(chunk: Path, wanted: set[str], written: set[str]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield (video, name -> bytes) of wanted videos, each when the frames of the next one begin."""
    current, frames, size = "", dict[str, bytes](), 0
    for member in read_members([chunk]):
        video = _video_of(member, wanted, written)
        if video in written:
            raise DataError(
                f"the frames of {video} are not together in {chunk.name}",
                where=str(chunk),
                fix=f"extract the archive into {ROOTS[0]}/frames and run again",
            )
        if video != current and current:
            yield current, frames
            frames, size = {}, 0
        current = video
        if video:
            size += member.size
            if size > _LARGEST_VIDEO:
                raise DataError(f"the frames of {video} have {size:,} bytes", where=str(chunk), fix="check the archive")
            frames[PurePosixPath(member.name).name] = member.read(_LARGEST_PICTURE)
    if current:
        yield current, frames


def _video_of(member: Member, *videos: set[str]) -> str:
    """Return which of the videos a member is a frame of: the innermost folder that has a video's name."""
    path = PurePosixPath(member.name)
    if path.suffix.lower() not in PICTURES or path.name.startswith("."):
        return ""
    return next((part for part in reversed(path.parts[:-1]) if any(part in some for some in videos)), "")


def _write(folder: Path, frames: dict[str, bytes], rule: Rule) -> None:
    names = sorted(frames)
    chosen = [names[place] for place in rule(len(names))]
    with atomic_folder(folder) as temporary:
        for name in chosen:
            (temporary / name).write_bytes(frames[name])
        text = json.dumps({"total": len(names), "names": chosen})
        (temporary / _LIST).write_text(text, encoding="utf-8")


def _levels(folder: Path, depth: int) -> Iterator[Path]:
    with reading(folder, "folder of frames"), os.scandir(folder) as entries:
        inner = sorted(entry.name for entry in entries if entry.is_dir())
    if not inner:
        return
    yield folder
    if depth:
        for name in inner:
            if len(inner) <= _FEW or _LEVEL.fullmatch(name):
                yield from _levels(folder / name, depth - 1)


def _pictures(folder: Path) -> list[Path]:
    """Return the pictures of a video's folder in temporal order, also where they lie one folder deeper."""
    with reading(folder, "frames of a video"):
        entries = sorted(folder.iterdir())
    pictures = [path for path in entries if path.suffix.lower() in PICTURES and not path.name.startswith(".")]
    inner = [path for path in entries if path.is_dir()]
    return pictures or (_pictures(inner[0]) if len(inner) == 1 and not inner[0].is_symlink() else [])


def is_video_id(name: str) -> bool:
    """Tell whether a text can be the name of a video's folder."""
    return "/" not in name and is_plain(name)
