"""Which stream gets what: data on stdout, everything else on stderr, in any encoding."""

import io
import json
import sys

import pytest

from tests.unit.cli.results import answer, found_box, result
from vgcli import display
from vgcli_core.errors import MediaError


def test_readable_answers_go_to_stdout_and_the_rest_to_stderr(capsys):
    found = result(answer("two"))
    display.notes(["a portrait video"])
    display.result(found)
    display.footer(found, ["runs/result.json"])
    out, err = capsys.readouterr()
    assert "answer      two\n" in out
    assert "portrait" not in out
    assert err.startswith("note: a portrait video\n")
    assert err.endswith("written: runs/result.json\n")
    assert "model" in err


def test_json_on_stdout_is_the_whole_documented_form(capsys):
    found = result(answer("zwei Stühle \x9b2J", boxes=(found_box("evier \u202e"),)))
    display.as_json(found)
    out, err = capsys.readouterr()
    assert json.loads(out) == json.loads(found.to_json())
    assert "\x9b" not in out
    assert "\u202e" not in out
    assert "Stühle" in out
    assert err == ""


def test_json_survives_a_code_page_that_lacks_its_characters(monkeypatch):
    found = result(answer("椅子 😀"), source="broken name \udc80.mp4")
    for encoding in ("cp1252", "ascii", "utf-8"):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, errors="replace"))
        display.as_json(found)
        sys.stdout.flush()
        read = json.loads(raw.getvalue().decode(encoding))
        assert (read["answers"][0]["text"], read["source"]) == ("椅子 😀", "broken name \udc80.mp4")


def test_readable_answers_survive_a_code_page_that_lacks_their_characters(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252"))
    display.prepare_streams()
    display.result(result(answer("椅子", task="ground", boxes=(found_box("椅子"),))))
    sys.stdout.flush()
    assert b"?? " in raw.getvalue()


def test_lines_in_a_pipe_end_without_padding(capsys):
    display.result(result(answer(task="ground", boxes=(found_box(),))))
    assert [line for line in capsys.readouterr().out.splitlines() if line != line.rstrip()] == []


def test_an_error_says_what_where_and_fix_on_three_lines(capsys):
    path = "a/folder/" * 20 + "[red]video.mp4"
    display.error(MediaError("no video stream\nin \x1b[1mfile", where=path, fix="name a video"))
    out, err = capsys.readouterr()
    assert err == f"error: no video stream in \\x1b[1mfile\n  where: {path}\n  fix: name a video\n"
    assert out == ""


@pytest.mark.parametrize("variable", ["NO_COLOR", None])
def test_no_color_removes_every_style(monkeypatch, variable):
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    if variable:
        monkeypatch.setenv(variable, "1")
    raw = io.StringIO()
    monkeypatch.setattr(sys, "stderr", raw)
    display.error(MediaError("bad", fix="better"))
    assert ("\x1b[" in raw.getvalue()) == (variable is None)


def test_progress_says_nothing_when_stderr_is_no_terminal(capsys):
    with display.progress("loading") as step:
        step("decoding")
    assert capsys.readouterr() == ("", "")
