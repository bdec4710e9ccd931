"""Blocks of text, and blocks below each other."""

import numpy as np
from PIL import Image

from vgcli_core.drawing.blocks import stacked, text_block

PAPER, INK = (10, 20, 30), (250, 240, 230)


def test_a_text_is_as_high_as_its_lines_and_stays_in_its_width():
    one, three = (text_block(text, 120, 16, INK, 9, paper=PAPER) for text in ("one", "one\ntwo\nthree"))
    assert (three.width, three.height) == (120, 3 * one.height)
    many = text_block("word " * 100, 120, 16, INK, 2, paper=PAPER)
    assert many.height == 2 * one.height
    assert np.asarray(many).max() == 250
    assert (np.asarray(one)[:, -1] == PAPER).all()


def test_no_text_is_no_block_and_takes_no_room():
    assert text_block(" \n", 120, 16, INK, 9, paper=PAPER) is None
    red, blue = (Image.new("RGB", size, color) for size, color in (((4, 2), (255, 0, 0)), ((6, 3), (0, 0, 255))))
    stack = np.asarray(stacked([None, red, None, blue], 5, paper=PAPER))
    assert stack.shape == (10, 6, 3)
    assert (stack[:2, :4] == (255, 0, 0)).all()
    assert (stack[2:7] == PAPER).all()
    assert (stack[7:] == (0, 0, 255)).all()
