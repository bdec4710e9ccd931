"""LLaVA-Hound: questions about everyday videos, from frame folders that were extracted at 2 frames per second.

Training looks at 4 to 8 frames of each folder, about one per second of video; only these are stored.

Source: Hub datasets lmms-lab/LLaVA-Video-178K (questions) and ShareGPTVideo/train_video_and_instruction (frames).
Formats of LLaVA-Hound and of media, section 1.
"""

import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from vgcli_core.data.base import Dataset, Need, Option, Plan, Request, Unit, Work
from vgcli_core.data.draws import generator
from vgcli_core.data.llava_hound.folders import (
    Chosen,
    Rule,
    chunk_places,
    find_chunks,
    find_frames,
    find_levels,
    folder_places,
    stage_frames,
)
from vgcli_core.data.llava_hound.rows import BAD_FORM, Row, parse_row, to_record, to_sample, video_of
from vgcli_core.data.raw.json_stream import read_records
from vgcli_core.data.raw.reading import reading
from vgcli_core.data.sample import Sample
from vgcli_core.errors import DataError
from vgcli_core.media.sampling import training_rule

_QUESTIONS = "sharegptvideo_qa_255k_processed.json"
_PUBLISHED = ("llava_hound_64k.json", "llava_hound_255k.json")
_FOLDERS = ("llava_hound", "LLaVA-Video-178K/llava_hound", "train", ".")
_VIDEOS_OF_A_UNIT = 64
_FEW_FRAMES = 4  # the reference asks for as many, and takes what there is

_OPTIONS = (
    Option("share", 0.25, "share of the rows that is drawn, above 0 up to 1; the published subset has 0.25"),
    Option(
        "annotations",
        "auto",
        "the owner's rows, or the authors' published file; auto takes that one where it is there",
        ("auto", "raw", "published"),
    ),
    Option("interval", 2.0, "one frame for so many frames of a folder"),
    Option("fewest", 4, "take at least so many frames of a video"),
    Option("most", 8, "take at most so many frames of a video"),
    Option("min_frames", 1, "leave out videos with fewer frames in their folder"),
)


class Payload(NamedTuple):
    """What a unit knows: the file of rows, and three numbers for each of its rows, unsigned 64-bit integers.

    Attributes:
        path: of the questions.
        levels: folders that may hold folders of frames.
        numbers: 1 where the id of the row was seen before else 0, its number, and the bytes [start, stop).
    """

    path: str
    levels: tuple[str, ...]
    numbers: bytes


def needs(request: Request) -> list[Need]:
    """Return questions and frames."""
    published = Need(
        "LLaVA-Hound: the subset of VG-LLM (llava_hound_64k.json)",
        _places(*_PUBLISHED),
        "the authors of VG-LLM",
        "https://github.com/LaVi-Lab/VG-LLM",
        "see the page; for academic research, as the questions that it is a part of",
        "30 MB",
    )
    questions = Need(
        "LLaVA-Hound: questions",
        _places(_QUESTIONS, *_PUBLISHED),
        "lmms-lab",
        "https://huggingface.co/datasets/lmms-lab/LLaVA-Video-178K",
        "for academic research and education; see the page",
        "108 MB",
    )
    frames = Need(
        "LLaVA-Hound: the archives chunk_0.tar.gz to chunk_15.tar.gz, or the folders of frames in them",
        (*chunk_places(), *folder_places()),
        "ShareGPTVideo",
        "https://huggingface.co/datasets/ShareGPTVideo/train_video_and_instruction",
        "see the page; the videos belong to their makers",
        "137 GB of archives, which need not be extracted",
        any_of=True,
    )
    first = published if request.options["annotations"] == "published" else questions
    return [first, frames] if request.with_frames else [first]


def plan(request: Request) -> Plan:
    """Draw rows and group them by video; no frame is read. Raises DataError for a list that is damaged."""
    path = _questions(request)
    counts, drops, seen = Counter[str](), Counter[str](), set[str]()
    total = sum(1 for _ in read_records(path))
    share = 1.0 if path.name == _PUBLISHED[0] else float(request.options["share"])
    drawn = range(total) if share >= 1 else sorted(_draw(request.seed, total, share))
    wanted = set(drawn[: request.limit])
    rows: dict[str, array[int]] = {}
    for number, record in enumerate(read_records(path)):
        if number not in wanted:
            continue
        video = video_of(record.value)
        if not video:
            drops[BAD_FORM] += 1
            continue
        name = str(record.value.get("id", video))
        rows.setdefault(video, array("Q")).extend((name in seen, number, record.start, record.stop))
        seen.add(name)
    counts.update({"rows": total, "drawn rows": len(wanted), "videos": len(rows)})
    levels = tuple(map(str, find_levels(request.raw)))
    videos = request.wanted(list(rows))
    units: list[Unit] = []
    for start in range(0, len(videos), _VIDEOS_OF_A_UNIT):
        some = videos[start : start + _VIDEOS_OF_A_UNIT]
        payload = Payload(str(path), levels, b"".join(rows[video].tobytes() for video in some))
        units.append(Unit(f"{len(units):05}", "train", payload, int(request.options["most"]) * len(some)))
    notes = (f"rows are those of the authors' {path.name}",) if path.name in _PUBLISHED else ()
    return Plan(units, {"train": drops}, {"train": counts}, notes, (path,))


def stage(request: Request, units: Sequence[Unit], folder: Path, progress: Callable[[str], None]) -> None:
    """Take the frames of the units that no extracted folder has out of the archives, below `folder`/<video>.

    Raises:
        DataError: an archive is damaged.
    """
    chunks = find_chunks(request.raw)
    if not chunks or not request.with_frames:
        return
    wanted: set[str] = set()
    for unit in units:
        levels = [Path(level) for level in unit.payload.levels]
        rows = (row for _, row in _rows(unit.payload) if row is not None)
        wanted.update(row.video for row in rows if not any((level / row.video).is_dir() for level in levels))
    stage_frames(chunks, wanted, folder, _rule(request), progress)


def build(unit: Unit, request: Request, work: Work) -> Iterator[Sample]:
    """Yield the questions about some videos; rows whose folder is missing or empty are counted."""
    payload: Payload = unit.payload
    levels = [Path(level) for level in payload.levels]
    damaged: set[Path] = set()
    for sample_id, row in _rows(payload):
        if row is None:
            work.drop(BAD_FORM)
            continue
        found = find_frames(row.video, levels, request.staged, _rule(request))
        if found is None or not found.total:
            work.drop("frame folder missing" if found is None else "frame folder empty")
        elif found.total < int(request.options["min_frames"]):
            work.drop("fewer frames than min_frames")
        elif not _stored(row, found, damaged, work):
            work.drop("frame damaged")
        else:
            work.count("rows with fewer than 4 frames", int(found.total < _FEW_FRAMES))
            yield to_sample(row, sample_id, [path.name for path in found.paths])


def check(request: Request) -> None:
    """Refuse options that make no sense. Raises DataError."""
    options = request.options
    if not 0 < float(options["share"]) <= 1:
        raise DataError(f"the share is {options['share']}", where="--set share", fix="give a number above 0, up to 1")
    if not float(options["interval"]) > 0:
        raise DataError(f"the interval is {options['interval']}", where="--set interval", fix="give a number above 0")
    if not 1 <= int(options["fewest"]) <= int(options["most"]):
        raise DataError(
            f"at least {options['fewest']} and at most {options['most']} frames contradict each other",
            where="--set fewest, --set most",
            fix="give at least 1 frame, and not more as the fewest than as the most",
        )


def _rows(payload: Payload) -> Iterator[tuple[str, Row | None]]:
    """Yield id and row of a unit's rows; None for a row of another form."""
    numbers = array("Q")
    numbers.frombytes(payload.numbers)
    path = Path(payload.path)
    try:
        with reading(path), path.open("rb") as file:
            for place in range(0, len(numbers), 4):
                repeated, number, start, stop = numbers[place : place + 4]
                file.seek(start)
                row = parse_row(json.loads(file.read(stop - start)))
                name = "" if row is None else row.id
                yield (f"{name}:{number}" if repeated else name), row
    except ValueError as error:
        what = f"the questions changed while they were read: {error}"
        raise DataError(what, where=payload.path, fix="run again") from error


def _stored(row: Row, found: Chosen, damaged: set[Path], work: Work) -> bool:
    for path in found.paths:
        if path in damaged:
            return False
        name = f"llava_hound/frames/{row.video}/{path.name}"
        try:
            work.frame(name, path)
        except DataError as error:
            damaged.add(path)
            work.note(f"{name}: {error.what}")
            return False
    return True


def _rule(request: Request) -> Rule:
    """Return the rule of training, where a folder counts as 1 frame per second; `num_frames` fixes the number."""
    number = request.num_frames
    return partial(
        _positions,
        interval=float(request.options["interval"]),
        fewest=int(request.options["fewest"]) if number is None else number,
        most=int(request.options["most"]) if number is None else number,
    )


def _positions(total: int, *, interval: float, fewest: int, most: int) -> list[int]:
    return training_rule(total, 1.0, interval=interval, minimum=fewest, maximum=most)


def _draw(seed: int, total: int, share: float) -> list[int]:
    return generator(seed, "llava_hound", "share").sample(range(total), int(share * total))


def _questions(request: Request) -> Path:
    owners, published = _places(_QUESTIONS), _places(*_PUBLISHED)
    order = {"auto": published + owners, "raw": owners, "published": published}[str(request.options["annotations"])]
    found = next((request.raw / place for place in order if (request.raw / place).is_file()), None)
    return found or needs(request)[0].require(request.raw)


def _places(*names: str) -> tuple[str, ...]:
    return tuple(name if folder == "." else f"{folder}/{name}" for name in names for folder in _FOLDERS)


DATASET = Dataset(
    name="llava_hound",
    title="LLaVA-Hound: questions about everyday videos",
    splits=("train",),
    default_splits=("train",),
    needs=needs,
    plan=plan,
    build=build,
    published={"train": {"rows": 255_000, "drawn rows": 63_750}},
    options=_OPTIONS,
    frame_bytes=20_000,
    record=to_record,
    record_file=lambda *_: "llava_hound_64k.json",
    check=check,
    stage=stage,
    whole="63,750 questions about as many videos at most, up to 8 frames of each: up to 510,000 frames, 10 GB "
    "(estimate: 20 kB each)",
)
