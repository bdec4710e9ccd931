"""Read what some scores need beside the answers: proposal boxes for ScanRefer, word similarities for NExT-QA."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vgcli_core.data.raw.proposals import all_proposals
from vgcli_core.errors import PredictionsError
from vgcli_core.evaluation.benchmark import WordSimilarity
from vgcli_core.geometry.boxes import Floats

_PROPOSALS = 'a JSON object of scans, {"scannet/scene0011_00": [[x, y, z, dx, dy, dz], ...]}, in the aligned scan'
_PICKLED = b"\x80"  # opens every pickle of protocol 2 and later
_PICKLES = (".pkl", ".pickle")
_CONVERT = (
    'where you trust its maker, convert it once: python -c "import json, pickle; '
    "found = pickle.load(open('boxes.pkl', 'rb')); "
    "boxes = {scan: [[float(value) for value in box[:6]] for box in own] for scan, own in found.items()}; "
    "json.dump(boxes, open('boxes.json', 'w'))\""
)
_SIMILARITIES = 'a JSON list of pairs, [["dog", "cat", 0.86], ...]'


def read_proposals(path: Path) -> Mapping[str, Floats]:
    """Return the proposal boxes [P, 6] of each scan, centre and size in metres.

    Args:
        path: a JSON file, for example `scannet_val_pred_box.json` of Video-3D LLM; or the folder of raw files that has
            it, or LEO's masks and ScanNet's meshes.

    Raises:
        PredictionsError: the file holds something else; a pickle is not loaded, because loading one runs its code.
        DataError: the folder holds no proposals, or damaged ones.
    """
    if path.is_dir():
        return all_proposals(path)
    if _is_pickle(path):
        raise PredictionsError(
            "a pickle is not loaded: loading one runs the code that it names", where=str(path), fix=_CONVERT
        )
    found = _json(path, _PROPOSALS)
    if not isinstance(found, dict):
        raise PredictionsError("not a JSON object", where=str(path), fix=f"give {_PROPOSALS}")
    boxes: dict[str, Floats] = {}
    for scan, rows in found.items():
        try:
            array = np.asarray(rows, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            array = np.empty(1)
        if array.size and (not np.isfinite(array).all() or array.ndim != 2 or array.shape[1] != 6):
            what = f"the boxes of {scan!r:.60} are no rows of six finite numbers"
            raise PredictionsError(what, where=str(path), fix=f"give {_PROPOSALS}")
        boxes[scan] = array.reshape(-1, 6)
    return boxes


def _is_pickle(path: Path) -> bool:
    """Tell by the first byte, or the ending where that is the only sign."""
    try:
        with path.open("rb") as file:
            return file.read(1) == _PICKLED or path.suffix in _PICKLES
    except OSError:
        return False


def read_similarities(path: Path) -> WordSimilarity:
    """Return a similarity of words from a file of pairs. Raises PredictionsError.

    WordNet's similarities depend on the order of the two words; a pair named in one order only serves for both. Equal
    words have similarity 1, and pairs that the file does not name 0, as words without a common ancestor.
    """
    found = _json(path, _SIMILARITIES)
    pairs: dict[tuple[str, str], float] = {}
    rows: list[Any] = found if isinstance(found, list) else [found]
    for row in rows:
        if not _is_pair(row):
            what = f"not a pair of words and a number from 0 to 1: {row!r:.60}"
            raise PredictionsError(what, where=str(path), fix=f"give {_SIMILARITIES}")
        pairs[row[0], row[1]] = float(row[2])

    def similarity(first: str, second: str) -> float:
        return 1.0 if first == second else pairs.get((first, second), pairs.get((second, first), 0.0))

    return similarity


def _is_pair(row: Any) -> bool:
    if not isinstance(row, list) or len(row) != 3:
        return False
    first, second, value = row
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(first, str) and isinstance(second, str) and number and 0 <= value <= 1


def _json(path: Path, form: str) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        what = f"cannot read the file: {error.strerror or error}"
        raise PredictionsError(what, where=str(path), fix=f"give {form}") from error
    except (ValueError, RecursionError):
        raise PredictionsError("not a JSON file", where=str(path), fix=f"give {form}") from None
