"""Tables 1 to 7 of the paper as data: which score stands in which column, and every published row.

A row is one text of numbers, as printed, in percent: "36.4(53.5)" is a score and, in parentheses, the same one refined,
"-" an empty place. Rows whose numbers come with the benchmarks have none here. Where the paper contradicts itself, the
number of the table stands, with a remark.

Source: arXiv 2505.24625v3, Tables 1 to 8.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from vgcli_core.evaluation.benchmarks import BENCHMARKS
from vgcli_core.evaluation.benchmarks.scan2cap import HEADLINE as CAPTION_SCORES
from vgcli_core.evaluation.benchmarks.vsi_bench import TASKS
from vgcli_core.evaluation.metrics.matching import CLASSES_8
from vgcli_core.evaluation.suite_roles import ROLES, Size

SOURCE = "arXiv 2505.24625v3"

_PLACE = re.compile(r"(-|\d+\.\d)(?:\((\d+\.\d)\))?")


class Number(NamedTuple):
    """One place of a table, in percent: the score, and the refined one; None where there is none."""

    plain: float | None
    refined: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of scores.

    Attributes:
        title: its head.
        benchmark, metric, of: where our score is found, by the published rules.
        refined: the metric in parentheses; "" for none.
        tolerance: in points; a difference up to it is that of a reproduction. None where no bound is stated.
    """

    title: str
    benchmark: str
    metric: str
    of: str = ""
    refined: str = ""
    tolerance: float | None = None


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One published row.

    Attributes:
        name: of the model.
        numbers: as printed; "" where the benchmarks hold them, for the size of the role.
        role: who plays it; "" for nobody.
        second: text of the second column, in tables that have one.
        remarks: what to know, by the title of a column; under "" of the whole row.
        printed: numbers by the title of a column, where the table differs from what the benchmark holds.
    """

    name: str
    numbers: str = ""
    role: str = ""
    second: str = ""
    remarks: Mapping[str, str] = field(default_factory=dict)
    printed: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that share their columns; `extra` are roles that the paper gives no row, `second` their second column."""

    columns: tuple[Column, ...]
    rows: tuple[PaperRow, ...]
    extra: tuple[str, ...] = ()
    second: str = ""


@dataclass(frozen=True, slots=True)
class PaperTable:
    """One table; `leads` are the heads of its columns of text. All blocks have columns of the same titles."""

    number: int
    title: str
    caption: str
    leads: tuple[str, ...]
    blocks: tuple[Block, ...]


def numbers_of(row: PaperRow, columns: tuple[Column, ...]) -> list[Number]:
    """Return the numbers [columns] of a row."""
    if row.numbers:
        return [Number(_points(plain), _points(refined)) for plain, refined in _PLACE.findall(row.numbers)]
    size = ROLES[row.role].size
    return [
        Number(row.printed.get(one.title, _known(one, one.metric, size)), _known(one, one.refined, size))
        for one in columns
    ]


def _points(text: str) -> float | None:
    return None if text in ("", "-") else float(text)


def _known(column: Column, metric: str, size: Size) -> float | None:
    published = BENCHMARKS[column.benchmark].published
    found = next((one for one in published if metric and (one.metric, one.of) == (metric, column.of)), None)
    return None if found is None else round(100 * found.values[size], 1)


_SCANREFER = (
    Column("Acc@0.25", "scanrefer", "acc@0.25", refined="refined acc@0.25", tolerance=1.0),
    Column("Acc@0.5", "scanrefer", "acc@0.5", refined="refined acc@0.5", tolerance=1.0),
)
_SCAN2CAP = tuple(
    Column(title, "scan2cap", metric, tolerance=2.5 if title == "C" else None)
    for title, metric in zip(("C", "B-4", "M", "R"), CAPTION_SCORES, strict=True)
)


def _means(benchmark: str) -> tuple[Column, ...]:
    return (
        Column("P", benchmark, "precision"),
        Column("R", benchmark, "recall"),
        Column("F1", benchmark, "f1", tolerance=1.0),
    )


def _detection(benchmark: str) -> tuple[Column, ...]:
    return (*(Column(label, benchmark, "f1", label) for label in CLASSES_8), *_means(benchmark))


_VSI_TITLES = ("Count", "AbsDist", "ObjSize", "RoomSize", "RelDist", "RelDir", "Route", "Order")
_VSI_BENCH = (
    Column("Avg", "vsi_bench", "average", tolerance=1.5),
    *(Column(title, "vsi_bench", "score", task) for title, task in zip(_VSI_TITLES, TASKS, strict=True)),
)
_CV_BENCH = (
    Column("2D", "cv_bench", "2D accuracy"),
    Column("3D", "cv_bench", "3D accuracy"),
    Column("Avg", "cv_bench", "average"),
)
_GENERAL = (
    Column("Video-MME", "video_mme", "accuracy"),
    Column("Video-MME, subtitles", "video_mme_subtitles", "accuracy"),
    Column("BLINK", "blink", "average"),
    Column("TempCompass", "tempcompass", "accuracy"),
    Column("NExT-QA", "nextqa", "accuracy"),
)

_BASELINE_1 = "31.9(49.9) 9.3(43.8)"
_BASELINE_2 = "58.0 36.3"
_BASELINE_3 = "32.6 27.9 30.0"
_ELSEWHERE = "no row of this table in the paper, which gives these numbers in its Table {}"
_UNTRAINED = "published only: this package trains no model of predicted cameras, depth or point maps"
_SWAPPED = "as printed: the pair of 7B (61.1) and 8B (63.9) looks swapped, for without subtitles it is 62.9 and 59.3"
_BATHTUB = "Table 3 prints 40.4, Table 11 of the same paper 45.2"

TABLES: tuple[PaperTable, ...] = (
    PaperTable(
        1,
        "visual grounding on ScanRefer",
        "Validation split. In parentheses: refined by proposals, which are made of the 3D point cloud.",
        ("Model", "3D input"),
        (
            Block(
                _SCANREFER,
                (
                    PaperRow("ScanRefer", "37.3 24.3", second="yes"),
                    PaperRow("MVT", "40.8 33.3", second="yes"),
                    PaperRow("ViL3DRel", "47.9 37.7", second="yes"),
                    PaperRow("3D-LLM", "30.3 -", second="yes"),
                    PaperRow("Chat-3D v2", "35.9 30.4", second="yes"),
                    PaperRow("Grounded 3D-LLM", "47.9 44.1", second="yes"),
                    PaperRow("Chat-Scene", "55.5 50.2", second="yes"),
                    PaperRow("LLaVA-3D", "54.1 42.4", second="yes"),
                    PaperRow("Video-3D LLM", "58.1 51.7", second="yes"),
                    PaperRow("SPAR", "31.9(48.8) 12.4(43.1)", second="no"),
                    PaperRow(
                        "Qwen2.5-VL-3B, same data",
                        _BASELINE_1,
                        "scene-no-geometry",
                        "no",
                        {"": _ELSEWHERE.format(7)},
                    ),
                    PaperRow("VG LLM-4B", role="scene", second="no"),
                    PaperRow("VG LLM-8B", role="scene-8b", second="no"),
                ),
                ("scene-8b-no-geometry",),
                "no",
            ),
        ),
    ),
    PaperTable(
        2,
        "dense captioning on Scan2Cap",
        "Validation split, at IoU 0.5: CIDEr, BLEU-4, METEOR, ROUGE-L.",
        ("Model", "3D input"),
        (
            Block(
                _SCAN2CAP,
                (
                    PaperRow("Scan2Cap", "39.1 23.3 22.0 44.8", second="yes"),
                    PaperRow(
                        "3DJCG",
                        "49.5 31.0 24.2 50.8",
                        second="yes",
                        remarks={"B-4": "the text of the paper reads 51.0; the method is otherwise reported at 31.0"},
                    ),
                    PaperRow("D3Net", "62.6 35.7 25.7 53.9", second="yes"),
                    PaperRow("Vote2Cap-DETR", "61.8 34.5 26.2 54.4", second="yes"),
                    PaperRow("LL3DA", "65.2 36.8 26.0 55.0", second="yes"),
                    PaperRow("Chat-3D-v2", "63.9 31.8 - -", second="yes"),
                    PaperRow("Grounded 3D-LLM", "70.2 35.0 - -", second="yes"),
                    PaperRow("LEO", "72.4 38.2 27.9 58.1", second="yes"),
                    PaperRow("Chat-Scene", "77.1 36.5 - -", second="yes"),
                    PaperRow("LLaVA-3D", "79.2 41.1 30.2 63.4", second="yes"),
                    PaperRow("Video-3D LLM", "80.0 40.2 28.5 61.7", second="yes"),
                    PaperRow(
                        "Qwen2.5-VL-3B, same data",
                        f"{_BASELINE_2} - -",
                        "scene-no-geometry",
                        "boxes only",
                        {"": _ELSEWHERE.format(7)},
                    ),
                    PaperRow("VG LLM-4B", role="scene", second="boxes only"),
                    PaperRow("VG LLM-8B", role="scene-8b", second="boxes only"),
                ),
                ("scene-8b-no-geometry",),
                "boxes only",
            ),
        ),
    ),
    PaperTable(
        3,
        "3D video detection on ScanNet",
        "At IoU 0.25: F1 of eight classes, and the means of precision, recall and F1 over 20 classes. All models were "
        "trained on 4 frames.",
        ("Model", "Frames"),
        (
            Block(
                _detection("scannet_det"),
                (
                    PaperRow(
                        "Qwen2.5-VL-3B",
                        f"37.7 10.2 35.0 23.1 39.0 64.8 32.4 68.8 {_BASELINE_3}",
                        "scene-no-geometry",
                        "4",
                    ),
                    PaperRow("VG LLM-4B", role="scene", second="4"),
                    PaperRow(
                        "Qwen2.5-VL-7B",
                        "41.2 11.6 36.5 30.2 41.1 68.2 36.6 68.7 34.6 31.0 32.5",
                        "scene-8b-no-geometry",
                        "4",
                    ),
                    PaperRow("VG LLM-8B", role="scene-8b", second="4"),
                ),
            ),
            Block(
                _detection("scannet_det_6frames"),
                (
                    PaperRow(
                        "Qwen2.5-VL-3B",
                        "32.8 7.8 31.3 20.9 32.2 58.8 36.5 66.1 27.8 24.1 25.7",
                        "scene-no-geometry",
                        "6",
                    ),
                    PaperRow("VG LLM-4B", role="scene", second="6"),
                    PaperRow(
                        "Qwen2.5-VL-7B",
                        "36.1 10.6 32.7 25.0 40.7 64.6 38.4 68.6 31.8 28.0 29.6",
                        "scene-8b-no-geometry",
                        "6",
                    ),
                    PaperRow("VG LLM-8B", "", "scene-8b", "6", {"bathtub": _BATHTUB}, printed={"bathtub": 40.4}),
                ),
            ),
        ),
    ),
    PaperTable(
        4,
        "VSI-Bench",
        "The average is the plain mean of the eight tasks.",
        ("Model",),
        (
            Block(
                _VSI_BENCH,
                (
                    PaperRow("GPT-4o", "34.0 46.2 5.3 43.8 38.2 37.0 41.3 31.5 28.5"),
                    PaperRow("Gemini-1.5-Flash", "42.1 49.8 30.8 53.5 54.4 37.7 41.0 31.5 37.8"),
                    PaperRow("Gemini-1.5-Pro", "45.4 56.2 30.9 64.1 43.6 51.3 46.3 36.0 34.6"),
                    PaperRow("LLaVA-NeXT-Video-72B", "40.9 48.9 22.8 57.4 35.3 42.4 36.7 35.0 48.6"),
                    PaperRow("LLaVA-OneVision-72B", "40.2 43.5 23.9 57.6 37.5 42.5 39.9 32.5 44.6"),
                    PaperRow("SAT-LLaVA-Video-7B", "- - - - 47.3 41.1 37.1 36.1 40.4"),
                    PaperRow("SPAR-8B", "41.1 - - - - - - - -"),
                    PaperRow("VG LLM-4B", role="spatial"),
                    PaperRow(
                        "Qwen2.5-VL-7B, same data",
                        "49.8 68.6 36.0 57.9 59.7 45.8 38.9 30.4 60.2",
                        "spatial-8b-no-geometry",
                        remarks={"": _ELSEWHERE.format(8)},
                    ),
                    PaperRow("VG LLM-8B", role="spatial-8b"),
                ),
                ("spatial-no-geometry",),
            ),
        ),
    ),
    PaperTable(
        5,
        "CV-Bench",
        "Accuracy; the average is the mean of both.",
        ("Model",),
        (
            Block(
                _CV_BENCH,
                (
                    PaperRow("GPT-4V", "64.3 73.8 69.1"),
                    PaperRow("GPT-4o", "74.8 83.0 78.9"),
                    PaperRow("Gemini-1.5-Flash", "70.9 71.8 71.4"),
                    PaperRow("Gemini-1.5-Pro", "77.1 77.6 77.3"),
                    PaperRow("Cambrian-1-34B", "74.0 79.7 76.9"),
                    PaperRow("SAT-LLaVA-Video-7B", "73.0 83.8 78.4"),
                    PaperRow("SPAR-8B", "72.3 89.1 80.7"),
                    PaperRow("VG LLM-4B", role="spatial"),
                    PaperRow(
                        "Qwen2.5-VL-7B, same data",
                        "- 87.1 -",
                        "spatial-8b-no-geometry",
                        remarks={"": _ELSEWHERE.format(8)},
                    ),
                    PaperRow("VG LLM-8B", role="spatial-8b"),
                ),
                ("spatial-no-geometry",),
            ),
        ),
    ),
    PaperTable(
        6,
        "general benchmarks",
        "Video-MME without and with subtitles, the validation split of BLINK (mean of 14 tasks), TempCompass and "
        "NExT-QA by multiple choice.",
        ("Model",),
        (
            Block(
                _GENERAL,
                (
                    PaperRow("Qwen2.5-VL-3B", "60.1 60.9 46.6 62.2 77.3", "base"),
                    PaperRow("VG LLM-4B", role="spatial"),
                    PaperRow(
                        "Qwen2.5-VL-7B",
                        "62.9 61.1 55.9 71.8 81.4",
                        "base-8b",
                        remarks={"Video-MME, subtitles": _SWAPPED},
                    ),
                    PaperRow("VG LLM-8B", role="spatial-8b", remarks={"Video-MME, subtitles": _SWAPPED}),
                ),
            ),
        ),
    ),
    PaperTable(
        7,
        "how geometry is used",
        "4B. ScanRefer, in parentheses refined; CIDEr and BLEU-4 of Scan2Cap at IoU 0.5; detection on 4 frames.",
        ("Variant",),
        (
            Block(
                (*_SCANREFER, *_SCAN2CAP[:2], *_means("scannet_det")),
                (
                    PaperRow("no geometry", f"{_BASELINE_1} {_BASELINE_2} {_BASELINE_3}", "scene-no-geometry"),
                    PaperRow(
                        "cross-attention, 1 layer",
                        "33.7(51.3) 10.7(45.2) 74.7 40.1 38.0 33.6 35.4",
                        "scene-cross-attention-1",
                    ),
                    PaperRow(
                        "cross-attention, 3 layers",
                        "34.4(51.3) 10.5(45.2) 75.7 40.2 38.5 44.0 35.4",
                        "scene-cross-attention-3",
                        remarks={"R": "as printed; it hardly fits P and F1 of this row"},
                    ),
                    PaperRow("concatenation", "27.7(47.0) 6.8(41.3) 75.7 39.9 37.1 32.5 34.4", "scene-concat"),
                    PaperRow("addition (VG LLM-4B)", role="scene"),
                    *(
                        PaperRow(name, numbers, remarks={"": _UNTRAINED})
                        for name, numbers in (
                            ("predicted camera", "32.1(50.0) 9.9(43.9) 56.8 36.3 33.3 28.1 30.3"),
                            ("predicted depth", "32.3(49.7) 9.7(43.7) 57.1 36.1 32.1 27.3 29.3"),
                            ("predicted point map", "31.7(49.7) 9.6(43.8) 67.7 38.2 33.0 28.5 30.4"),
                            ("predicted depth and camera", "32.6(49.8) 9.8(43.7) 58.2 36.6 31.7 27.1 29.1"),
                        )
                    ),
                ),
            ),
        ),
    ),
)
