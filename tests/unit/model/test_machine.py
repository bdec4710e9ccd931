"""What a run writes about the machine and the code."""

from pathlib import Path

from vgcli_core.model import machine as module
from vgcli_core.model.machine import code_version


def test_the_commit_is_known_in_a_clone_with_git_alone(monkeypatch) -> None:
    answers = {"rev-parse": "1234abcd", "status": " M file.py"}
    monkeypatch.setattr(module, "_output", lambda *words: next(answers[word] for word in words if word in answers))
    monkeypatch.setattr(Path, "exists", lambda path: True)
    assert code_version() == {"vgllm": module.__version__, "commit": "1234abcd", "modified": True}
    answers["status"] = ""
    assert code_version()["modified"] is False
    monkeypatch.setattr(module, "_output", lambda *words: "")
    assert code_version() == {"vgllm": module.__version__}


def test_a_program_that_is_missing_or_fails_says_nothing() -> None:
    assert module._output("no-such-program-here") == ""
    assert module._output("git", "no-such-command") == ""
