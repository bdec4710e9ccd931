"""Which samples share frames, and which the beginning of their prompt too."""

from dataclasses import replace

from vgcli_core.data.groups import frames_key, groups
from vgcli_core.data.sample import Sample, human_turn

TWO = ("a.jpg", "b.jpg")


def sample(*frames: str, names: int | None = None, **more) -> Sample:
    turn = human_turn("what?", len(frames), newline="\n", names=names)
    return Sample("x", "d", "s", "scene", "ask", frames, (turn,), **more)


def test_samples_of_the_same_frames_and_layout_are_one_group():
    found = groups([sample(*TWO), sample("c.jpg"), sample(*TWO), sample("c.jpg", names=0), sample(*TWO, names=0)])
    # Groups of the same frames stand together, though others lie between.
    assert found == [[0, 2], [4], [1], [3]]


def test_order_marks_and_cut_make_other_pictures():
    one = sample(*TWO)
    others = [sample(*TWO[::-1]), replace(one, square=True), replace(one, pack="p.tar"), replace(one, markers={"a": 1})]
    assert len({frames_key(each) for each in [one, *others]}) == 5


def test_the_layout_is_what_is_tokenised_up_to_the_last_frame():
    assert sample(*TWO).layout == "<image><image>"
    assert sample(*TWO, names=0).layout == "Frame-0: <image>Frame-1: <image>"
    assert sample().layout == ""
