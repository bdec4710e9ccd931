"""Raw files and folders that may not be read: an error that names them and says what to do, and no other one."""

import builtins
import io
import os
from pathlib import Path

import pytest

from tests.unit.data.harness import request_for
from vgcli_core.data.llava_hound.folders import find_frames, find_levels
from vgcli_core.data.raw.embodiedscan import read_scans
from vgcli_core.data.raw.frames import picture_size, read_color
from vgcli_core.data.raw.hub_media import Place, open_library, read_bytes
from vgcli_core.data.raw.json_file import read_json_object
from vgcli_core.data.raw.json_stream import read_range, read_records
from vgcli_core.data.raw.labels import read_nyu40
from vgcli_core.data.raw.ply import read_vertices
from vgcli_core.data.raw.proposals import mask_boxes, read_ready_boxes
from vgcli_core.data.raw.pth import load_pth
from vgcli_core.data.raw.reading import reading
from vgcli_core.data.raw.rows import read_table
from vgcli_core.data.raw.scannet import read_info
from vgcli_core.data.raw.sens import SensFile
from vgcli_core.data.raw.tar_stream import read_members
from vgcli_core.data.sources import nextqa, published_file, vsi_bench
from vgcli_core.data.spar.leakage import benchmark_overlap
from vgcli_core.data.spar.mix import QuestionFile, count_rows
from vgcli_core.errors import DataError

READERS = {
    "a.pkl": lambda path: list(read_scans(path)),
    "a.jpg": picture_size,
    "a.sens": SensFile,
    "color.sens": lambda path: read_color(path, 0),
    "a.srt": lambda path: read_bytes(Place(path)),
    "a.zip": lambda path: open_library([], [path]),
    "object.json": lambda path: read_json_object(path, "boxes of scenes"),
    "boxes.json": read_ready_boxes,
    "list.json": lambda path: list(read_records(path)),
    "range.json": lambda path: read_range(path, 0, 1),
    "a.tsv": read_nyu40,
    "a.ply": read_vertices,
    "a.npz": lambda path: mask_boxes(path, None),
    "a.pth": load_pth,
    "a.csv": lambda path: list(read_table(path)),
    "a.parquet": lambda path: list(read_table(path)),
    "a.txt": read_info,
    "a.tar.gz": lambda path: list(read_members([path])),
    "sentence.jsonl": lambda path: count_rows(QuestionFile("scannet/a/sentence", "scannet", path)),
    "scannetv2_val.txt": lambda path: benchmark_overlap(path.parent, set()),
    "nextqa/map_vid_vidorID.json": lambda path: nextqa._vidor_paths(path.parent),
    "vsi_bench/pruned_ids.txt": vsi_bench._pruned_ids,
}


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """Refuse to open files below `tmp_path`, as the system does to users without permission (tests may run as root)."""

    def refuse(function):
        def guarded(path, *rest, **values):
            if isinstance(path, str | os.PathLike) and str(path).startswith(str(tmp_path)):
                raise PermissionError(13, "Permission denied", str(path))
            return function(path, *rest, **values)

        return guarded

    for module in (io, builtins):
        monkeypatch.setattr(module, "open", refuse(module.open))
    for name in ("scandir", "listdir"):
        monkeypatch.setattr(os, name, refuse(getattr(os, name)))
    try:
        from pyarrow import parquet

        monkeypatch.setattr(parquet, "ParquetFile", refuse(parquet.ParquetFile))
    except ImportError:
        pass


@pytest.mark.parametrize("name", READERS)
def test_a_file_without_permission_is_named_and_not_called_damaged(tmp_path, refused, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    with pytest.raises(DataError) as caught:
        READERS[name](path)
    assert "Permission denied" in caught.value.what and path.name in caught.value.what
    assert "damaged" not in caught.value.what and "cut off" not in caught.value.what
    assert caught.value.where == str(path)
    assert "permission" in caught.value.fix


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (FileNotFoundError(2, "No such file or directory"), "check the raw folder"),
        (OSError(5, "Input/output error"), "download it again"),
        (PermissionError(13, "Permission denied"), "permission"),
    ],
)
def test_what_to_do_depends_on_what_happened(error, fix):
    with pytest.raises(DataError) as caught, reading(Path("here") / "a.txt", "names of scenes"):
        raise error
    assert caught.value.what == f"cannot read a.txt (names of scenes): {error.strerror}"
    assert fix in caught.value.fix and caught.value.__cause__ is error


def test_a_folder_of_frames_without_permission_is_named(tmp_path, refused):
    video = tmp_path / "llava_hound" / "frames" / "1"
    video.mkdir(parents=True)
    for look in (
        lambda: published_file._video_frames(
            {"video": "llava_hound/frames/1"}, request_for(published_file.DATASET, tmp_path)
        ),
        lambda: find_frames("1", [video.parent], None, lambda total: []),
    ):
        with pytest.raises(DataError, match=r"1 \(frames of a video\): Permission denied") as caught:
            look()
        assert caught.value.where == str(video)
    with pytest.raises(DataError, match=r"folder of frames"):
        find_levels(tmp_path)
