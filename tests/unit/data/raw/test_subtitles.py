"""Subtitles: spoken text inside its tag, in order of time, and only what covers the wanted moments."""

import pytest

from vgcli_core.data.raw.subtitles import Entry, covering, read_subtitles

FILE = """\ufeff1
00:00:02,500 --> 00:00:04,000
<font color="white" size=".72c">second
line</font>

2
00:00:00,000 --> 00:00:01,000
<font color="white" size=".72c">first</font>

3
01:00:00.5 --> 01:00:01,25
<b>no font</b>

not a block

4
00:00:09,000 --> 00:00:10,000

"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_entries_are_in_order_of_time_and_without_markup(newline):
    assert read_subtitles(FILE.replace("\n", newline).encode()) == [
        Entry(0, 1, "first"),
        Entry(2.5, 4, "second line"),
        Entry(3600.5, 3601.25, "no font"),
    ]


def test_entries_at_a_moment_are_taken_once():
    entries = read_subtitles(FILE.encode())
    assert [entry.text for entry in covering(entries, [0.0, 0.5, 2.0, 4.0])] == ["first", "second line"]
    assert covering(entries, [1.7]) == []


def test_bytes_that_are_no_text_give_no_entry():
    assert read_subtitles(b"\xff\xfe\x00junk") == []
