"""Tiny files in the layouts of data hubs: clips whose frames carry their number, pictures, parquets, zips."""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from vgcli_core.evaluation.benchmark import Extras, Item
from vgcli_core.evaluation.benchmarks import BENCHMARKS
from vgcli_core.evaluation.report import score
from vgcli_core.media.write import write_video

SIZE = (48, 64)  # height, width
_DARKEST, _STEP = 30, 3


def clip(path: Path, count: int = 40) -> Path:
    """Write a video of grey frames, 10 a second; frame i is a little brighter than frame i - 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = (np.full((*SIZE, 3), _DARKEST + _STEP * number, dtype=np.uint8) for number in range(count))
    write_video(path.with_suffix(".mp4"), frames, 10)
    path.with_suffix(".mp4").replace(path)
    return path


def clip_bytes(folder: Path, count: int = 40) -> bytes:
    return clip(folder / "one_clip.mp4", count).read_bytes()


def frame_number(data: bytes) -> int:
    """The number that a stored frame of `clip` carries."""
    level = np.asarray(Image.open(io.BytesIO(data)).convert("L"), dtype=float).mean()
    return round((level - _DARKEST) / _STEP)


def picture(kind: str = "JPEG", size: tuple[int, int] = (40, 30), colour: int = 90) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (colour, 20, 200)).save(buffer, kind)
    return buffer.getvalue()


def parquet(path: Path, rows: list[dict], group: int = 1000) -> Path:
    import pyarrow
    from pyarrow.parquet import write_table

    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=group)
    return path


def packed(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def assert_scorable(samples, name: str) -> None:
    """Every truth is one of the benchmark's, and its perfect answer scores 1 where that is declared."""
    from vgcli_core.data.sample import truth_of

    benchmark = BENCHMARKS[name]
    truths = [benchmark.truth.model_validate(truth_of(sample)) for sample in samples]
    assert truths
    convention = "ZXY" if benchmark.boxes_in_text else None
    items = [
        Item(sample.id, benchmark.perfect(truth), truth, convention)
        for sample, truth in zip(samples, truths, strict=True)
    ]
    report = score(benchmark, items, Extras(word_similarity=lambda first, second: float(first == second)))
    found = {one.metric: one.value for one in report.rules[0].scores if not one.of}
    for metric, expected in benchmark.range(truths).oracle.items():
        assert abs(found[metric] - expected) < 1e-9, metric
