"""Where SPAR-7M lies in the raw folder: extracted, as one archive in pieces, as an archive per source, or as the
authors' own annotation file.

Source: formats of SPAR-7M, sections 1 and 4.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vgcli_core.errors import DataError

SOURCES = ("rxr", "scannet", "scannetpp", "structured3d")

FOLDERS = ("spar", "SPAR-7M/spar", "SPAR-7M", "SPAR-7M-RGBD", ".")
"""Where the sources may lie, below the raw folder; the first is where a user is told to put them."""

PUBLISHED = ("spar_234k.json", "spar_234k.jsonl", "spar_7m.jsonl", "spar_7m.json")
"""The authors' own files; what their names say before the ending, the tars around them are called as well."""

_TARS = (".tar", ".tar.gz", ".tgz")
_PUBLISHED_FOLDERS = ("spar", "train", ".")
_PIECE = re.compile(r"(?P<set>spar(?:-rgbd)?)-(?P<number>[0-9]+)\.tar\.gz")


@dataclass(frozen=True)
class Layout:
    """What of SPAR-7M is there.

    Attributes:
        trees: source -> its extracted folder, with `images/`, `qa_jsonl/` or both.
        archives: each one archive, as its pieces in order.
        published: the authors' own file, or a tar around it; None where there is none.
    """

    trees: dict[str, Path]
    archives: tuple[tuple[Path, ...], ...]
    published: Path | None

    @property
    def question_trees(self) -> dict[str, Path]:
        """The extracted folders that hold questions."""
        return {source: path for source, path in self.trees.items() if (path / "qa_jsonl").is_dir()}

    @property
    def published_is_packed(self) -> bool:
        """Whether the authors' file is inside a tar."""
        return self.published is not None and self.published.name.endswith(_TARS)

    @property
    def published_is_whole_mix(self) -> bool:
        """Whether the authors' file holds the mix from which the share is still to be drawn."""
        return self.published is not None and self.published.name.startswith("spar_7m")


def find_layout(raw: Path) -> Layout:
    """Look for the files; nothing is read.

    Raises:
        DataError: a piece of the archive in pieces is missing.
    """
    return Layout(find_trees(raw), _archives([raw / folder for folder in FOLDERS]), _published(raw))


def find_trees(raw: Path) -> dict[str, Path]:
    """Return the extracted folders by source."""
    found: dict[str, Path] = {}
    for source in SOURCES:
        for folder in FOLDERS:
            if source not in found and _is_tree(raw / folder / source):
                found[source] = raw / folder / source
    return found


def path_in_set(member: str) -> str:
    """Return a member's path from its source on ("scannet/images/..."), whatever folders an archive puts around it."""
    parts = member.split("/")
    for place, part in enumerate(parts[:-1]):
        if part in SOURCES and parts[place + 1] in ("images", "qa_jsonl"):
            return "/".join(parts[place:])
    return ""


def question_places() -> tuple[str, ...]:
    """Return glob patterns of everything that holds questions."""
    return (*_set_places("qa_jsonl/train/*/*/*.jsonl"), *published_places())


def picture_places() -> tuple[str, ...]:
    """Return glob patterns of everything that holds pictures."""
    return _set_places("images/*/*_color/*.jpg")


def published_places() -> tuple[str, ...]:
    """Return glob patterns of the authors' own file."""
    return tuple(f"{_prefix(folder)}{name}" for folder in _PUBLISHED_FOLDERS for name in ("spar_234k.*", "spar_7m.*"))


def _set_places(inside: str) -> tuple[str, ...]:
    """Return places of archives, as the owner gives them, and of extracted files, folder by folder."""
    # Below the raw folder itself, "scannet" may be ScanNet's own folder, which holds nothing of this form.
    archives = [f"{folder}/*.tar.gz" if folder != "." else "spar-[0-9]*.tar.gz" for folder in FOLDERS]
    trees = [f"{_prefix(folder)}*/{inside}" for folder in FOLDERS]
    return tuple(place for both in zip(archives, trees, strict=True) for place in both)


def _prefix(folder: str) -> str:
    return "" if folder == "." else f"{folder}/"


def _is_tree(folder: Path) -> bool:
    """Tell whether a folder is SPAR's. ScanNet's own has the same name, and holds scans."""
    return (folder / "qa_jsonl").is_dir() or ((folder / "images").is_dir() and not (folder / "scans").is_dir())


def _published(raw: Path) -> Path | None:
    names = [*PUBLISHED, *(name.partition(".")[0] + ending for name in PUBLISHED for ending in _TARS)]
    paths = (raw / folder / name for name in names for folder in _PUBLISHED_FOLDERS)
    return next((path for path in paths if path.is_file()), None)


def _archives(folders: Sequence[Path]) -> tuple[tuple[Path, ...], ...]:
    for folder in folders:
        if not folder.is_dir():
            continue
        pieces: dict[str, dict[int, Path]] = {}
        for path in sorted(folder.glob("spar*.tar.gz")):
            if match := _PIECE.fullmatch(path.name):
                pieces.setdefault(match["set"], {})[int(match["number"])] = path
        if pieces:
            # The set with depth holds the same pictures and questions; the smaller one serves.
            return (_in_order(pieces.get("spar") or next(iter(pieces.values()))),)
        single = [folder / f"{source}.tar.gz" for source in SOURCES]
        found = tuple((path,) for path in single if path.is_file())
        if found:
            return found
    return ()


def _in_order(pieces: dict[int, Path]) -> tuple[Path, ...]:
    missing = [number for number in range(max(pieces) + 1) if number not in pieces]
    if missing:
        known = next(iter(pieces.values()))
        name = _PIECE.fullmatch(known.name)
        example = known.name if name is None else f"{name['set']}-{missing[0]:0{len(name['number'])}}.tar.gz"
        raise DataError(
            f"{len(missing)} of {max(pieces) + 1} pieces of the archive are missing, the first is {example}",
            where=str(known.parent),
            fix="download all pieces: they are one archive that was cut, and none can be read alone",
        )
    sizes = Counter(path.stat().st_size for path in pieces.values())
    if 0 in sizes:
        empty = next(path for path in pieces.values() if not path.stat().st_size)
        raise DataError(f"{empty.name} is empty", where=str(empty), fix="download it again")
    return tuple(pieces[number] for number in sorted(pieces))
