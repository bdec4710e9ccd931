"""Videos and pictures of a hub folder: extracted files, or members of the zips that the hub distributes.

Nothing is unpacked as a whole: one member is written to a temporary file while its frames are decoded. Where it goes
never depends on its name, and its size is bounded before and while it is written.
"""

import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vgcli_core.data.raw.reading import reading, unreadable
from vgcli_core.errors import DataError, OutputError

VIDEO_SUFFIXES = (".mp4", ".MP4", ".mkv", ".webm", ".avi", ".mov", ".MKV", ".MOV")

_LARGEST = 16 << 30  # bytes of one member; an hour of video has about one gigabyte
_LARGEST_TEXT = 64 << 20  # bytes of a member that is read into memory
_BOMB = 200  # unpacked over packed size; videos hardly shrink, subtitles by ten or so
_BLOCK = 1 << 20
_UNSAFE_PART = re.compile(r"\A\.*\Z|[\x00-\x1f:\\]")  # empty, ".", ".."; or a drive, a stream, a Windows separator
_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def hub_folder(raw: Path, names: Sequence[str]) -> Path:
    """Return the first of the folders `names` below `raw` that exists; the first one where none does."""
    return next((raw / name for name in names if (raw / name).is_dir()), raw / names[0])


def places(folders: Sequence[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """Return glob patterns below each of the folders, in the form that `base.Need` takes: all of a folder first."""
    return tuple(f"{folder}/{pattern}" for folder in folders for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Place:
    """A file, or a member of a zip."""

    path: Path
    member: str = ""


@dataclass(frozen=True)
class Library:
    """The videos (or other media) of one dataset.

    Attributes:
        folders: where extracted files may lie.
        members: zip members by the end of their name, without suffix.
        suffixes: of the files that count.
        aliases: other names under which extracted files may lie.
    """

    folders: tuple[Path, ...]
    members: Mapping[str, Place]
    suffixes: tuple[str, ...]
    aliases: Mapping[str, str]

    def find(self, name: str) -> Place | None:
        """Return where the medium called `name` ("scannet/scene0011_00") is; extracted files come first."""
        if not is_plain(name):
            return None
        for known in dict.fromkeys((name, self.aliases.get(name, name))):
            for folder in self.folders:
                for suffix in self.suffixes:
                    path = folder / f"{known}{suffix}"
                    if path.is_file():
                        return Place(path)
        return self.members.get(name)


def open_library(
    folders: Sequence[Path],
    zips: Sequence[Path],
    *,
    parts: int = 1,
    suffixes: Sequence[str] = VIDEO_SUFFIXES,
    aliases: Mapping[str, str] | None = None,
) -> Library:
    """List what folders and zips hold, by reading the zips' directories only.

    Args:
        folders: where extracted files may lie.
        zips: archives; the name of an archive counts as the folder around its members.
        parts: how many parts at the end of a member's path make its name: 1 for "scene0011_00", 2 for
            "scannet/scene0011_00".
        suffixes: of the files that count, compared without regard to case inside zips.
        aliases: see `Library`.

    Raises:
        DataError: a zip is damaged, or names a member outside of itself.
    """
    lowered = tuple({suffix.lower() for suffix in suffixes})
    members: dict[str, Place] = {}
    for path in zips:
        with _opened_zip(path) as archive:
            for info in archive.infolist():
                name = info.filename
                if not info.is_dir() and not is_plain(name):
                    raise DataError(
                        f"{path.name} holds a member with the unsafe name {name!r:.80}",
                        where=str(path),
                        fix="download it again from its owner; do not unpack it",
                    )
                full = f"{path.stem}/{name}"
                if full.lower().endswith(lowered) and not full.rpartition("/")[2].startswith("."):
                    key = "/".join(full.rpartition(".")[0].split("/")[-parts:])
                    members.setdefault(key, Place(path, name))
    return Library(tuple(folders), members, tuple(suffixes), aliases or {})


def is_plain(name: str) -> bool:
    """Tell whether a relative path with "/" stays below the folder it is joined to, on every system."""
    return all(_UNSAFE_PART.search(part) is None for part in name.split("/"))


@contextmanager
def opened(place: Place) -> Iterator[Path]:
    """Yield the path of a file with the medium; a member of a zip is written to one that is removed afterwards.

    Raises:
        DataError: the member is damaged, encrypted, or would unpack to an absurd size.
        OutputError: there is no space for it.
    """
    if not place.member:
        yield place.path
        return
    with tempfile.TemporaryDirectory(prefix="vgllm-", ignore_cleanup_errors=True) as folder:
        target = Path(folder) / f"medium{Path(place.member).suffix.lower()}"
        blocks = _blocks(place, _LARGEST)
        try:
            with target.open("wb") as file:
                file.writelines(blocks)
        except OSError as error:
            raise OutputError(
                f"cannot unpack {place.member}: {error.strerror or error}",
                where=folder,
                fix="free some space there, or set TMPDIR to a folder that has some",
            ) from error
        yield target


def read_bytes(place: Place) -> bytes:
    """Return a small file or member, such as subtitles. Raises DataError as `opened`, or when it is not small."""
    if place.member:
        return b"".join(_blocks(place, _LARGEST_TEXT))
    with reading(place.path):
        size = place.path.stat().st_size
        if size > _LARGEST_TEXT:
            raise DataError(f"{place.path.name} has {size:,} bytes", where=str(place.path), fix="check what file it is")
        return place.path.read_bytes()


def _blocks(place: Place, largest: int) -> Iterator[bytes]:
    where = f"{place.path}, {place.member}"
    with _opened_zip(place.path) as archive:
        info = archive.getinfo(place.member)
        if info.flag_bits & 1:
            raise DataError("the member is encrypted", where=where, fix="get the archive from its owner")
        if info.file_size > min(largest, _BOMB * info.compress_size + _BLOCK):
            packed = f"{info.compress_size:,} bytes that unpack to {info.file_size:,}"
            raise DataError(f"the member has {packed}", where=where, fix="download the archive again from its owner")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError("the member is packed in an unusual way", where=where, fix="unpack the archive by hand")
        try:
            # zipfile gives at most info.file_size bytes and compares their checksum.
            with archive.open(info) as member:
                while block := member.read(_BLOCK):
                    yield block
        except (*_BROKEN_ZIP, OSError) as error:
            raise DataError(f"the member is damaged: {error}", where=where, fix="download the archive again") from error


@contextmanager
def _opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except PermissionError as error:
        raise unreadable(path, error) from error
    except (*_BROKEN_ZIP, OSError, ValueError) as error:
        raise DataError(
            f"{path.name} is no zip, or cut off: {error}", where=str(path), fix="download the file again"
        ) from error
    with archive:
        yield archive
