"""Files that some scores need: proposals and word similarities."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

from tests.unit.data.harness import request_for
from vgcli_core.data.raw.proposals import scene_proposals
from vgcli_core.data.rooms.layouts.write import write_layouts
from vgcli_core.data.sources import DATASETS
from vgcli_core.errors import DataError, PredictionsError
from vgcli_core.evaluation.extras import read_proposals, read_similarities

SMALL = {"width": 56, "height": 42, "film_frames": 4}


def test_proposals_are_rows_of_six_numbers_for_each_scan(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"scannet/scene0011_00": [[1, 2, 3, 4, 5, 6]], "scannet/scene0012_00": []}))
    found = read_proposals(path)
    np.testing.assert_array_equal(found["scannet/scene0011_00"], [[1.0, 2, 3, 4, 5, 6]])
    assert found["scannet/scene0012_00"].shape == (0, 6)


def test_a_pickle_is_not_loaded_and_the_way_around_it_works(tmp_path):
    """The command of the fix is run as it stands, in the folder of the file."""
    path = tmp_path / "boxes.pkl"
    path.write_bytes(pickle.dumps({"scannet/scene0011_00": np.array([[1.0, 2, 3, 4, 5, 6, 0, 0, 0]])}))
    with pytest.raises(PredictionsError, match="pickle") as refusal:
        read_proposals(path)
    script = refusal.value.fix.partition('python -c "')[2].removesuffix('"')
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    found = read_proposals(tmp_path / "boxes.json")
    np.testing.assert_array_equal(found["scannet/scene0011_00"], [[1.0, 2, 3, 4, 5, 6]])


def test_a_folder_of_raw_files_serves_with_its_masks_or_ready_made_boxes(tmp_path):
    ready = tmp_path / "ready" / "scannet"
    ready.mkdir(parents=True)
    (ready / "scannet_val_pred_box.json").write_text(json.dumps({"scannet/scene0011_00": [[1, 2, 3, 4, 5, 6]]}))
    np.testing.assert_array_equal(read_proposals(tmp_path / "ready")["scene0011_00"], [[1.0, 2, 3, 4, 5, 6]])
    rooms = request_for(DATASETS["rooms"], tmp_path, "val", options=SMALL, scenes=1)
    write_layouts(rooms, tmp_path / "rooms", ["scannet", "proposals"])
    found = read_proposals(tmp_path / "rooms")
    (scene,) = found
    np.testing.assert_array_equal(found[scene], scene_proposals(tmp_path / "rooms", scene).boxes)
    assert len(found[scene]) > 5 and "scene0011_00" not in found
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no proposals"):
        read_proposals(tmp_path / "empty")


def test_similarities_keep_the_order_of_the_words_and_serve_both_where_one_is_named(tmp_path):
    path = tmp_path / "similar.json"
    path.write_text(json.dumps([["girl", "woman", 0.63], ["woman", "girl", 0.95], ["dog", "cat", 0.86]]))
    similar = read_similarities(path)
    assert (similar("girl", "woman"), similar("woman", "girl")) == (0.63, 0.95)
    assert (similar("dog", "cat"), similar("cat", "dog")) == (0.86, 0.86)
    assert (similar("tree", "tree"), similar("tree", "dog")) == (1.0, 0.0)


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"s": [[1, 2, 3]]}', '{"s": 3}', '{"s": [["a", 1, 2, 3, 4, 5]]}', "\xff", "[" * 99_999]
)
def test_what_holds_no_proposals_is_refused(text, tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(PredictionsError) as refusal:
        read_proposals(path)
    assert "scannet/scene0011_00" in refusal.value.fix


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}x",
        "3",
        '[["a", "b"]]',
        '[["a", "b", "c"]]',
        '[["a", "b", 5.0]]',
        '[["a", "b", NaN]]',
        '{"ab1": 0}',
        "[3]",
    ],
)
def test_what_holds_no_similarities_is_refused(text, tmp_path):
    path = tmp_path / "similar.json"
    path.write_text(text)
    with pytest.raises(PredictionsError, match="not a"):
        read_similarities(path)


@pytest.mark.parametrize("read", [read_proposals, read_similarities])
def test_a_missing_file_is_told(read, tmp_path):
    with pytest.raises(PredictionsError, match="cannot read"):
        read(tmp_path / "nothing.json")
