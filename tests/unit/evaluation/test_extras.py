"""Files that some scores need: proposals and word similarities."""

import json

import numpy as np
import pytest

from vgcli_core.errors import PredictionsError
from vgcli_core.evaluation.extras import read_proposals, read_similarities


def test_proposals_are_rows_of_six_numbers_for_each_scan(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"scannet/scene0011_00": [[1, 2, 3, 4, 5, 6]], "scannet/scene0012_00": []}))
    found = read_proposals(path)
    np.testing.assert_array_equal(found["scannet/scene0011_00"], [[1.0, 2, 3, 4, 5, 6]])
    assert found["scannet/scene0012_00"].shape == (0, 6)


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
