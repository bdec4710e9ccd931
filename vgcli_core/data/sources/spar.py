"""SPAR-7M: spatial questions about rooms of ScanNet, ScanNet++ and Structured3D, with points and boxes on the frames.

Source: arXiv 2503.22976, Hub dataset jasonzhango/SPAR-7M, in all layouts that its owner has distributed, and the
subset that the authors of VG-LLM published. Formats of SPAR-7M.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from vgcli_core.data.base import Dataset, Need, Option, Plan, Request, Unit, Work
from vgcli_core.data.raw.frames import picture_size
from vgcli_core.data.sample import Sample
from vgcli_core.data.spar.archives import extract_pictures, unpack_published, unpack_questions
from vgcli_core.data.spar.layout import (
    Layout,
    find_layout,
    find_trees,
    picture_places,
    published_places,
    question_places,
)
from vgcli_core.data.spar.leakage import benchmark_overlap
from vgcli_core.data.spar.mix import QuestionFile, choose, count_rows, counted, question_file
from vgcli_core.data.spar.rows import (
    BAD_FORM,
    BAD_MARKERS,
    NO_JSON,
    Row,
    is_drawable,
    parse_row,
    pictures_of,
    to_record,
    to_sample,
    type_of,
)
from vgcli_core.data.spar.units import Payload, Scenes, rows_of
from vgcli_core.errors import DataError
from vgcli_core.media.markers import LABELLED, NOMINAL, Size

_URL = "https://huggingface.co/datasets/jasonzhango/SPAR-7M"
_OPTIONS = (
    Option("share", 0.03, "share of the mix that is drawn, above 0 up to 1; the published subset has 0.03"),
    Option(
        "annotations",
        "auto",
        "rows of SPAR's own questions, or of the authors' published file; auto takes that one where it is there",
        ("auto", "raw", "published"),
    ),
    Option(
        "frame_names",
        "official",
        "how questions with more than 10 frames name them: 'Frame-1: <image>' as SPAR's own loader does, or none",
        ("official", "none"),
    ),
)


def needs(request: Request) -> list[Need]:
    """Return questions and pictures, in any of their layouts."""
    questions = Need(
        "SPAR-7M: questions, inside the archives as they are (spar-00.tar.gz, ... or scannet.tar.gz, ...) or extracted",
        question_places(),
        "the authors of SPAR-7M",
        _URL,
        "see the page",
        "10 GB extracted",
        any_of=True,
    )
    published = Need(
        "SPAR-7M: the subset of VG-LLM (spar_234k.json)",
        published_places(),
        "the authors of VG-LLM",
        "https://github.com/LaVi-Lab/VG-LLM",
        "see the page, and those of SPAR-7M",
        "300 MB",
        any_of=True,
    )
    pictures = Need(
        "SPAR-7M: pictures, inside the same archives or extracted",
        picture_places(),
        "the authors of SPAR-7M",
        _URL,
        "see the page; the terms of ScanNet, ScanNet++, Structured3D and Matterport3D hold for the pictures",
        "some hundred gigabytes of archives, which need not be extracted",
        any_of=True,
    )
    first = published if request.options["annotations"] == "published" else questions
    return [first, pictures] if request.with_frames else [first]


def plan(request: Request) -> Plan:
    """Choose rows and sort them by scene; no picture is read.

    Raises:
        DataError: a piece of an archive is missing or damaged, or a list is.
    """
    layout = find_layout(request.raw)
    # Of archives, a packed copy of the questions lives while the rows are chosen.
    with tempfile.TemporaryDirectory(prefix="vgllm-spar-", ignore_cleanup_errors=True) as folder:
        files, share, notes = _question_files(layout, request, Path(folder))
        drops, counts, scenes = Counter[str](), Counter[str](), Scenes()
        for file in files:
            counts["raw rows"] += file.rows
            counts["mixed rows"] += file.taken
            drops["navigation"] += file.rows if file.navigation else 0
        labelled = 0
        for row in choose(files, share, request.seed, request.limit):
            counts["drawn rows"] += 1
            pictures = pictures_of(row.value, row.file.source)
            if not pictures:
                drops[NO_JSON if row.value is None else BAD_FORM] += 1
                continue
            scenes.add(row, pictures, carry=row.file.path.suffix == ".gz")
            labelled += type_of(row.value) in LABELLED
    keys = scenes.names()
    wanted = set(request.wanted([scene for _, scene in keys]))
    units = list(scenes.units(key for key in keys if key[1] in wanted))
    if labelled:
        notes.append(
            f"{labelled:,} questions have text on their frames, which needs OpenCV 4 when they are read: "
            "pip install 'vgllm[spar]'"
        )
    notes += benchmark_overlap(request.raw, {scene for _, scene in keys})
    read = [file.path for file in files if file.path.suffix != ".gz"]
    packed = [layout.published] if layout.published is not None else [path for one in layout.archives for path in one]
    return Plan(units, {"train": +drops}, {"train": counts}, tuple(notes), tuple(read or packed))


def stage(request: Request, units: Sequence[Unit], folder: Path, progress: Callable[[str], None]) -> None:
    """Extract the pictures of the units that no extracted folder has, below `folder`/<source>/images.

    Raises:
        DataError: an archive is damaged.
    """
    layout = find_layout(request.raw)
    if not layout.archives or not request.with_frames:
        return
    wanted: set[str] = set()
    for unit in units:
        for placed in rows_of(unit.payload):
            row = parse_row(placed.value, placed.source)
            if isinstance(row, Row):
                wanted.update(row.pictures)
    wanted = {name for name in wanted if _picture(name, layout.trees, folder) is None}
    extract_pictures(layout.archives, wanted, folder, progress)


def build(unit: Unit, request: Request, work: Work) -> Iterator[Sample]:
    """Yield the questions of one scene; rows without their pictures are counted by source."""
    trees = find_trees(request.raw)
    payload: Payload = unit.payload
    pictures = _Pictures(work)
    for placed in rows_of(payload):
        row = parse_row(placed.value, placed.source, name_frames=request.options["frame_names"] == "official")
        if isinstance(row, str):
            work.drop(row)
            continue
        if request.with_frames:
            found = [_picture(name, trees, request.staged) for name in row.pictures]
            paths = [path for path in found if path is not None]
            whole = len(paths) == len(found)
            reason = pictures.store(row, paths) if whole else f"picture missing ({row.source})"
        else:
            reason = "" if is_drawable(row.markers, [NOMINAL] * len(row.pictures)) else BAD_MARKERS
        if reason:
            work.drop(reason)
        else:
            yield to_sample(row, placed.place)


def check(request: Request) -> None:
    """Refuse a share outside of (0, 1]. Raises DataError."""
    share = request.options["share"]
    if not isinstance(share, float | int) or not 0 < share <= 1:
        raise DataError(f"the share is {share}", where="--set share", fix="give a number above 0, up to 1")


def _question_files(layout: Layout, request: Request, folder: Path) -> tuple[list[QuestionFile], float, list[str]]:
    """Return the files, counted and in order, the share to draw from them, and remarks."""
    share = float(request.options["share"])
    if layout.published is not None and request.options["annotations"] != "raw":
        path = layout.published
        if layout.published_is_packed:
            file = unpack_published(path, folder)
        else:
            file = QuestionFile(path.stem, "", path)
            file = counted(file, count_rows(file))
        drawn = share if layout.published_is_whole_mix else 1.0
        return [file], drawn, [f"rows are those of the authors' {path.name}"]
    if layout.question_trees:
        files = _tree_files(layout)
        notes = []
        if layout.archives:
            names = ", ".join(pieces[0].name for pieces in layout.archives)
            notes.append(f"questions are read from extracted folders only, not from {names}")
    else:
        files, notes = unpack_questions(layout.archives, folder), []
    notes += [
        f"{file.label}.jsonl has {file.rows:,} rows, and its name says {file.announced:,}"
        for file in files
        if file.announced not in (None, file.rows)
    ]
    return files, share, notes


def _tree_files(layout: Layout) -> list[QuestionFile]:
    found = []
    for source, tree in layout.question_trees.items():
        for path in tree.glob("qa_jsonl/train/**/*.jsonl"):
            file = question_file(f"{source}/{path.relative_to(tree).as_posix()}", path)
            if file is not None:
                found.append(counted(file, count_rows(file)))
    return sorted(found, key=lambda file: file.label)


def _picture(name: str, trees: Mapping[str, Path], staged: Path | None) -> Path | None:
    """Return the file of a picture ("scannet/images/..."), None where it is missing."""
    source, _, rest = name.partition("/")
    places = [trees[source] / rest] if source in trees else []
    if staged is not None:
        places.append(staged / name)
    return next((path for path in places if path.is_file()), None)


class _Pictures:
    """The pictures of one scene: the size of each is read once, and a damaged one is told once."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._sizes: dict[str, Size] = {}
        self._damaged: set[str] = set()

    def store(self, row: Row, paths: Sequence[Path]) -> str:
        """Store a row's pictures; return "", or the reason why the row cannot be used."""
        for name, path in zip(row.pictures, paths, strict=True):
            if name in self._damaged or not self._readable(name, path):
                return f"picture damaged ({row.source})"
        if not is_drawable(row.markers, [self._sizes[name] for name in row.pictures]):
            return BAD_MARKERS
        for name, path in zip(row.pictures, paths, strict=True):
            try:
                self._work.frame(f"spar/{name}", path)
            except DataError as error:
                self._tell(name, error)
                return f"picture damaged ({row.source})"
        return ""

    def _readable(self, name: str, path: Path) -> bool:
        if name not in self._sizes:
            try:
                self._sizes[name] = picture_size(path)
            except DataError as error:
                self._tell(name, error)
                return False
        return True

    def _tell(self, name: str, error: DataError) -> None:
        self._damaged.add(name)
        self._work.note(f"spar/{name}: {error.what}")


DATASET = Dataset(
    name="spar",
    title="SPAR-7M: spatial questions with marks on frames",
    splits=("train",),
    default_splits=("train",),
    needs=needs,
    plan=plan,
    build=build,
    published={
        "train": {"samples": 234_056, "raw rows": 16_276_960, "mixed rows": 7_809_251, "drawn rows": 234_056},
    },
    options=_OPTIONS,
    record=to_record,
    record_file=lambda *_: "spar_234k.json",
    check=check,
    stage=stage,
    whole="234,056 questions that show 1.8 million pictures in all, each stored once: below 180 GB (estimate: "
    "100 kB each); pictures in extracted folders are linked and not copied",
)
