"""What a user names as a source: a video, a picture, a folder of pictures, or a glob pattern."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from vgcli_core.errors import MediaError
from vgcli_core.media.images import PICTURES, frame_count, is_picture

# Only for messages and glob matches: whether a file is a video is found out by opening it.
VIDEOS = frozenset({".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".ts", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp"})
_EXPECTED = "give a video (.mp4, .mov, .webm, ...), a picture (.jpg, .png, ...), a folder of pictures or a glob pattern"


@dataclass(frozen=True, slots=True)
class Found:
    """Either one `video` or at least one of `pictures`, in natural order."""

    video: Path | None
    pictures: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def find(source: str | Path) -> Found:
    """Find out what `source` is, without decoding anything. Raises MediaError."""
    text = str(source)
    path = Path(source).expanduser() if text.startswith("~") else Path(source)
    if not text.strip():
        raise MediaError("the source is empty", fix=_EXPECTED)
    if re.match(r"[a-z][a-z0-9+]+://", text, re.IGNORECASE):
        raise MediaError("the source is an address, not a file", where=text, fix="download it and name the file")
    try:
        if path.is_dir():
            return _folder(path)
        if path.exists():
            return _file(path)
        if re.search(r"[*?\[]", text):
            return _pattern(path)
    except OSError as error:
        raise MediaError(f"cannot open {path.name}: {error.strerror or error}", where=text, fix=_EXPECTED) from error
    raise _missing(path)


def natural_key(path: Path) -> tuple[list[str | int], str]:
    """Sort key that reads digits as numbers and ignores case: frame2 comes before frame10."""
    pieces = re.split(r"([0-9]+)", str(path))
    # Splitting at a group alternates text and digits, so equal places always compare equal types.
    return [int(piece) if place % 2 else piece.casefold() for place, piece in enumerate(pieces)], str(path)


def _file(path: Path) -> Found:
    if not path.is_file():
        raise MediaError(f"{path.name} is not a regular file", where=str(path), fix=_EXPECTED)
    if path.stat().st_size == 0:
        raise MediaError(f"{path.name} is empty (0 bytes)", where=str(path), fix="copy or download the file again")
    if path.suffix.lower() in {".heic", ".heif"}:
        raise MediaError(f"{path.name} is in HEIC format", where=str(path), fix="export it as JPEG or PNG")
    if path.suffix.lower() == ".gif" and frame_count(path) > 1:
        return Found(video=path)
    if path.suffix.lower() in PICTURES or (path.suffix.lower() not in VIDEOS and is_picture(path)):
        return Found(video=None, pictures=(path,))
    return Found(video=path)


def _folder(path: Path) -> Found:
    files = [entry for entry in path.iterdir() if entry.is_file()]
    pictures, notes = _sift(files)
    if not pictures:
        video = next((entry for entry in sorted(files, key=natural_key) if entry.suffix.lower() in VIDEOS), None)
        hint = f"name the video itself: {video}" if video else "name a folder that directly holds .jpg or .png files"
        raise MediaError(f"the folder holds no pictures ({len(files)} other files)", where=str(path), fix=hint)
    return Found(video=None, pictures=pictures, notes=notes)


def _pattern(pattern: Path) -> Found:
    base = Path(pattern.anchor) if pattern.anchor else Path()
    try:
        matches = [entry for entry in base.glob(str(pattern.relative_to(base))) if entry.is_file()]
    except ValueError as error:
        raise MediaError(f"{pattern} is not a valid pattern: {error}", where=str(pattern), fix=_EXPECTED) from error
    if not matches:
        raise MediaError("no file matches the pattern", where=str(pattern), fix="check it; quote it in a shell")
    pictures, notes = _sift(matches)
    if pictures:
        return Found(video=None, pictures=pictures, notes=notes)
    if len(matches) == 1:
        return _file(matches[0])
    raise MediaError(
        f"the pattern matches {len(matches)} files and none is a picture",
        where=str(pattern),
        fix=f"name one video, for example {min(matches, key=natural_key)}, or a pattern for pictures",
    )


def _sift(files: Iterable[Path]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return the pictures in natural order and a note that counts the rest. Hidden files are never pictures."""
    ordered = sorted(files, key=natural_key)
    pictures = [path for path in ordered if path.suffix.lower() in PICTURES and not path.name.startswith(".")]
    chosen = set(pictures)
    others = [path.name for path in ordered if path not in chosen]
    if not others:
        return tuple(pictures), ()
    named = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
    plural = "s that are not pictures were" if len(others) > 1 else " that is not a picture was"
    return tuple(pictures), (f"{len(others)} file{plural} ignored: {named}",)


def _missing(path: Path) -> MediaError:
    if not path.parent.is_dir():
        return MediaError(f"there is no folder {path.parent}", where=str(path), fix="check the path")
    near = get_close_matches(path.name, [entry.name for entry in path.parent.iterdir()], n=1, cutoff=0.6)
    hint = f"did you mean {path.parent / near[0]}?" if near else f"check the path; {_EXPECTED}"
    return MediaError(f"there is no file or folder {path.name}", where=str(path), fix=hint)
