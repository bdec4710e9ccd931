"""Whether training scenes of SPAR are validation scenes of ScanNet or ScanNet++, which VSI-Bench asks about."""

from collections.abc import Set
from pathlib import Path

from vgcli_core.data.raw.reading import reading
from vgcli_core.errors import DataError

_LISTS = ("scannetv2_val.txt", "nvs_sem_val.txt")  # of ScanNet and ScanNet++, as their owners distribute them
_FOLDERS = (".", "scannet", "scannet/metadata", "scannet/meta_data", "scannetpp", "scannetpp/splits", "vsi_bench")
_SHOWN = 5


def benchmark_overlap(raw: Path, scenes: Set[str]) -> list[str]:
    """Return remarks: how many of the scenes are in lists of validation scenes, or that no list is there."""
    remarks = []
    for name in _LISTS:
        path = next((raw / folder / name for folder in _FOLDERS if (raw / folder / name).is_file()), None)
        if path is None:
            continue
        try:
            with reading(path, "validation scenes"):
                listed = set(path.read_text(encoding="utf-8").split())
        except UnicodeDecodeError as error:
            raise DataError(
                "the list of validation scenes is no text", where=str(path), fix="get it again from its owner"
            ) from error
        shared = sorted(listed & scenes)
        named = f": {', '.join(shared[:_SHOWN])}{', ...' if len(shared) > _SHOWN else ''}" if shared else ""
        remarks.append(f"{len(shared)} of {len(scenes)} scenes are validation scenes of {name}{named}")
    return remarks or [
        f"scenes were not compared with the validation scenes that VSI-Bench uses: put {_LISTS[0]} into scannet/"
    ]
