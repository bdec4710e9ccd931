"""VSI-Bench: spatial questions about videos of rooms, in full, without the questions that language alone answers, or
only those.

Three layouts of the hub folder are read: one parquet (first release), `test.jsonl` beside parquets of the two parts,
and the parts alone. Questions are told apart by their id, so that no layout counts one twice.

Source: the dataset card of nyu-visionx/VSI-Bench; prompts of the paper's evaluation (formats of VSI-Bench).
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from vgcli_core.data.base import Dataset, Need, Plan, Request, Unit, Work
from vgcli_core.data.raw.hub_media import hub_folder, open_library, places
from vgcli_core.data.raw.reading import unreadable
from vgcli_core.data.raw.rows import BadRow, Row, one_of, read_table, text, texts
from vgcli_core.data.sample import Sample, Turn, human_turn
from vgcli_core.data.videos import NUM_FRAMES, OPTIONS, VideoJob, plan_videos, store_frames
from vgcli_core.errors import DataError
from vgcli_core.text.prompts import ask_prompt

FOLDERS = ("vsi_bench", "VSI-Bench")
SOURCES = ("arkitscenes", "scannet", "scannetpp")
NUMERIC = ("object_counting", "object_abs_distance", "object_size_estimation", "room_size_estimation")
CHOICE = (
    *("object_rel_distance", "object_rel_direction_easy", "object_rel_direction_medium", "object_rel_direction_hard"),
    *("route_planning", "obj_appearance_order"),
)
PARTS = {"debiased": "test_debiased*.parquet", "pruned": "test_pruned*.parquet"}

_COUNTS = (565, 834, 953, 288, 710, 217, 378, 373, 194, 618)
_OWNER = "the authors of VSI-Bench"
_URL = "https://huggingface.co/datasets/nyu-visionx/VSI-Bench"
_LICENCE = "the Apache License 2.0"
_TERMS = "the licences of ScanNet, ScanNet++ and ARKitScenes hold for the videos"


@dataclass(frozen=True, slots=True)
class Question:
    """One question; `options` carry their letters and are () where the answer is a number."""

    id: str
    source: str
    scene: str
    kind: str
    text: str
    options: tuple[str, ...]
    answer: str


def prompt(question: Question) -> str:
    """Return what follows the frames."""
    return ask_prompt(question.text, question.options).text


def _needs(request: Request) -> Sequence[Need]:
    files = ("test.jsonl", "test-*.parquet", "test_debiased*.parquet", "test_pruned*.parquet")
    return (Need("VSI-Bench questions", places(FOLDERS, files), _OWNER, _URL, _LICENCE, "1 MB"), *_videos(request))


def _videos(request: Request) -> list[Need]:
    """Return the videos of each source; who has those of one may leave out the others."""
    sizes = zip(SOURCES, ("1.8 GB", "2.9 GB", "1.0 GB"), strict=True)
    needs = [
        Need(
            f"VSI-Bench videos, {source}",
            places(FOLDERS, (f"{source}.zip", f"{source}/*.mp4", f"videos/{source}/*.mp4")),
            _OWNER,
            _URL,
            _TERMS,
            size,
            any_of=True,
        )
        for source, size in sizes
    ]
    some = any(need.find(request.raw) for need in needs)
    return [replace(need, optional=some) for need in needs]


def _plan(request: Request) -> Plan:
    for need in _needs(request):
        if not need.optional:
            need.require(request.raw)
    absent = [source for source, need in zip(SOURCES, _videos(request), strict=True) if not need.find(request.raw)]
    notes = (f"there are no videos of {' and '.join(absent)}: their questions are left out",) if absent else ()
    folder = hub_folder(request.raw, FOLDERS)
    library = open_library([folder, folder / "videos"], sorted(folder.glob("*.zip")), parts=2)
    rows, repeated = {}, {}
    for split in request.splits:
        rows[split], repeated[split] = _unique(_rows(folder, split))
    plan = plan_videos(request, library, {split: map(_read, rows[split]) for split in request.splits})
    counts = {split: {**plan.counts[split], **repeated[split]} for split in request.splits}
    return replace(plan, counts=counts, notes=notes, inputs=tuple(_files(folder)))


def _build(unit: Unit, request: Request, work: Work) -> Iterator[Sample]:
    job: VideoJob[Question] = unit.payload
    footage = store_frames(job, "vsi_bench", request, work)
    for question in job.questions:
        work.count(question.kind)
        yield Sample(
            id=question.id,
            dataset="vsi_bench",
            split=unit.split,
            scene=job.name,
            task="ask",
            frames=footage.names,
            conversations=(human_turn(prompt(question), len(footage.names)), Turn("gpt", question.answer)),
            question_type=question.kind,
            options=question.options,
            truth=_truth(question),
            info=footage.info,
        )


DATASET = Dataset(
    name="vsi_bench",
    title="VSI-Bench: spatial questions about videos of rooms",
    splits=("test", "debiased", "pruned"),
    default_splits=("test",),
    needs=_needs,
    plan=_plan,
    build=_build,
    num_frames=NUM_FRAMES,
    # The paper's number is of the first release; the current one has a row more. Counts of types were not re-read.
    published={
        "test": {"samples": 5130, "videos": 288, **dict(zip((*NUMERIC, *CHOICE), _COUNTS, strict=True))},
        "debiased": {"samples": 2363},
        "pruned": {"samples": 2768},
    },
    options=OPTIONS,
    whole="9,216 frames of 288 videos, 0.9 GB (estimate: 100 kB each)",
)


def _truth(question: Question) -> dict[str, Any]:
    truth: dict[str, Any] = {
        "question_type": question.kind,
        "ground_truth": question.answer,
        "dataset": question.source,
        "scene_name": question.scene,
    }
    return truth | {"options": list(question.options)} if question.options else truth


def _read(row: Row) -> tuple[str, Question] | BadRow:
    try:
        kind = one_of(row, "question_type", (*NUMERIC, *CHOICE))
        source, scene = one_of(row, "dataset", SOURCES), text(row, "scene_name")
        options = texts(row, "options") if kind in CHOICE else ()
        if kind in CHOICE and not options:
            raise BadRow("no options")
        answer = _letter(row, len(options)) if options else _number(row)
        question = Question(text(row, "id"), source, scene, kind, text(row, "question"), options, answer)
    except BadRow as reason:
        return reason
    return f"{source}/{scene}", question


def _letter(row: Row, count: int) -> str:
    answer = text(row, "ground_truth").strip()
    if len(answer) != 1 or answer not in ascii_uppercase[:count]:
        raise BadRow("ground_truth is none of the options")
    return answer


def _number(row: Row) -> str:
    value = row.get("ground_truth")
    answer = repr(value) if isinstance(value, float) and not value.is_integer() else text(row, "ground_truth").strip()
    try:
        usable = 0 <= float(answer) < math.inf
    except ValueError:
        usable = False
    if not usable:
        raise BadRow("ground_truth is no size, distance or count")
    return answer


def _files(folder: Path) -> list[Path]:
    """Return all files of questions, those of the whole benchmark first."""
    patterns = ("test.jsonl", "test-*.parquet", *PARTS.values(), "pruned_ids.txt")
    return list(dict.fromkeys(path for pattern in patterns for path in sorted(folder.glob(pattern))))


def _rows(folder: Path, split: str) -> Iterator[Row]:
    """Yield the rows of a split, some of them twice."""
    whole = [path for path in _files(folder) if path.name == "test.jsonl" or path.match("test-*.parquet")]
    parts = {part: sorted(folder.glob(pattern)) for part, pattern in PARTS.items()}
    if parts.get(split):
        yield from _all_rows(parts[split])
    elif split in parts:
        rows = list(_all_rows(whole))
        listed = all(isinstance(row.get("pruned"), bool) for row in rows)
        ids = frozenset() if listed else _pruned_ids(folder / "pruned_ids.txt")
        yield from (row for row in rows if _is_pruned(row, ids) == (split == "pruned"))
    elif whole or all(parts.values()):
        yield from _all_rows([*whole, *parts["debiased"], *parts["pruned"]])
    else:
        raise DataError(
            "only one part of the questions is there; the benchmark is both",
            where=str(folder),
            fix="download test_debiased.parquet and test_pruned.parquet, or ask for the split that is there",
        )


def _all_rows(paths: Sequence[Path]) -> Iterator[Row]:
    for path in paths:
        yield from read_table(path)


def _is_pruned(row: Row, ids: frozenset[str]) -> bool:
    return bool(row["pruned"]) if isinstance(row.get("pruned"), bool) else str(row.get("id")) in ids


def _pruned_ids(path: Path) -> frozenset[str]:
    try:
        return frozenset(path.read_text(encoding="utf-8").split())
    except PermissionError as error:
        raise unreadable(path, error) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            "nothing says which questions the debiased part leaves out",
            where=str(path),
            fix=f"download pruned_ids.txt, or the parquet files of the parts, from {_URL}",
        ) from error


def _unique(rows: Iterable[Row]) -> tuple[list[Row], Counter[str]]:
    """Return one row for each id, by rising id, and what was repeated."""
    kept: dict[str, Row] = {}
    nameless: list[Row] = []
    repeated: Counter[str] = Counter()
    for row in rows:
        if row.get("id") is None:
            nameless.append(row)  # counted with the other bad rows
            continue
        first = kept.setdefault(str(row["id"]), row)
        if first is not row:
            same = all(first.get(key) == row.get(key) for key in ("question", "ground_truth", "scene_name"))
            repeated["rows read twice" if same else "rows with a known id and other words, left out"] += 1
    # In one order whatever the files: numbers by value, other ids behind them.
    ordered = sorted(kept, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))
    return [*(kept[name] for name in ordered), *nameless], repeated
