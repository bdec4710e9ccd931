"""SPAR markers pixel for pixel as the reference drew them: every case that the index lists."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vgcli_core.errors import MediaError
from vgcli_core.media.markers import LABELLED, TYPES, UNMARKED, draw_markers


def pixels(path: Path) -> np.ndarray:
    return np.array(Image.open(path).convert("RGB"))


def check(folder: Path) -> set[str]:
    """Compare every case; return the types that were seen."""
    cases = json.loads((folder / "index.json").read_text(encoding="utf-8"))["cases"]
    assert cases
    for case in cases:
        info = json.loads(case["info"])
        if info["type"] in LABELLED:
            pytest.importorskip("cv2")
        images = [pixels(folder / name) for name in case["images"]]
        before = [image.copy() for image in images]
        if "error" in case:
            with pytest.raises(MediaError):
                draw_markers(images, info)
            continue
        drawn = draw_markers(images, info)
        results = case["result"] or [None] * len(images)
        assert len(drawn) == len(images) == len(results), case["case"]
        for number, name in enumerate(results):
            expected = before[number] if name is None else pixels(folder / name)
            np.testing.assert_array_equal(drawn[number], expected, err_msg=f"{case['case']}, frame {number}")
            np.testing.assert_array_equal(images[number], before[number], err_msg=f"{case['case']} changed its input")
    return {case["type"] for case in cases if "error" not in case}


def test_markers_equal_the_recorded_pictures(golden):
    seen = check(golden / "markers")
    assert seen <= TYPES


def test_markers_equal_the_copied_pictures():
    assert check(Path(__file__).parent / "data" / "markers") - UNMARKED


def test_another_picture_would_be_noticed(golden_or_copy, tmp_path):
    folder = golden_or_copy / "markers"
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    case = next(
        case for case in index["cases"] if case.get("result") and case["result"][0] and case["type"] not in LABELLED
    )
    shifted = json.loads(case["info"])
    field = next(name for name in shifted if name.endswith(("_point", "_bbox")))
    shifted[field][0][0] += 3  # more than a pixel at 400 pixels width
    (tmp_path / "index.json").write_text(json.dumps({"cases": [case | {"info": json.dumps(shifted)}]}))
    for name in [*case["images"], *filter(None, case["result"])]:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(AssertionError):
        check(tmp_path)
