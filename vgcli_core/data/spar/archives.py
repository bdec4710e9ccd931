"""Questions and pictures out of archives that can only be read from front to end.

Planning goes through them once for the questions, of which a packed copy stands in a temporary folder meanwhile.
Staging goes through them once more and writes only the pictures that the chosen questions show.
"""

import gzip
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from vgcli_core.atomic import atomic_path
from vgcli_core.data.raw.tar_stream import Member, read_members
from vgcli_core.data.spar.layout import PUBLISHED, path_in_set
from vgcli_core.data.spar.mix import QuestionFile, counted, question_file
from vgcli_core.errors import DataError

_LARGEST_PICTURE = 64 << 20  # bytes; SPAR's have some hundred thousand
_TOLD_EVERY = 1000  # members


def unpack_questions(archives: Sequence[Sequence[Path]], folder: Path) -> list[QuestionFile]:
    """Copy the training questions of archives into `folder`, packed, and return them counted, in order.

    Raises:
        DataError: an archive is damaged, or none holds training questions.
    """
    files: list[QuestionFile] = []
    for pieces in archives:
        for member in read_members(pieces):
            path = folder / f"{len(files)}.jsonl.gz"
            file = question_file(path_in_set(member.name), path)
            if file is not None:
                files.append(counted(file, _copy(member, path)))
    if archives and not files:
        raise DataError(
            f"{archives[0][0].name} holds no folder qa_jsonl/train of a source of SPAR",
            where=str(archives[0][0]),
            fix="check that it is an archive of SPAR-7M",
        )
    return sorted(files, key=lambda file: file.label)


def unpack_published(archive: Path, folder: Path) -> QuestionFile:
    """Copy the authors' own file out of a tar into `folder`, packed, and return it counted. Raises DataError."""
    for member in read_members([archive]):
        name = member.name.rpartition("/")[2]
        if name in PUBLISHED and name.endswith(".jsonl"):
            file = QuestionFile(name.partition(".")[0], "", folder / f"{name}.gz")
            return counted(file, _copy(member, file.path))
    raise DataError(
        f"{archive.name} holds no {PUBLISHED[2]}", where=str(archive), fix="unpack it by hand and check what it is"
    )


def extract_pictures(
    archives: Iterable[Sequence[Path]], wanted: set[str], folder: Path, progress: Callable[[str], None]
) -> None:
    """Write the wanted pictures ("scannet/images/...") below `folder`, each whole or not at all.

    `wanted` is emptied on the way: what is left is in no archive. An archive is left as soon as nothing is wanted any
    more.

    Raises:
        DataError: an archive is damaged.
    """
    total = len(wanted)
    for pieces in archives:
        if not wanted:
            return
        for number, member in enumerate(read_members(pieces)):
            if not number % _TOLD_EVERY:
                progress(f"extracting pictures, {total - len(wanted):,} of {total:,}")
            name = path_in_set(member.name)
            if name in wanted:
                if not folder.is_dir():  # another process has finished the set; to make it anew would be a trace of us
                    raise FileNotFoundError(folder)
                with atomic_path(folder / name) as temporary:
                    temporary.write_bytes(member.read(_LARGEST_PICTURE))
                wanted.discard(name)
                if not wanted:
                    return


def _copy(member: Member, path: Path) -> int:
    rows = 0
    with gzip.open(path, "wb", compresslevel=1) as target:
        for line in member.lines():
            if not line.isspace():
                target.write(line if line.endswith(b"\n") else line + b"\n")
                rows += 1
    return rows
