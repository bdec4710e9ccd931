"""A short run of the fuzzing program, and proof that it would notice: a parser that raises, runs code, or is slow."""

import pytest

from tests.fuzz import fuzz_parsers
from tests.fuzz.strings import CANARY, KINDS
from vgcli_core.text.answers import read_number


def test_a_thousand_strings_raise_nothing_and_run_nothing():
    records, executions = fuzz_parsers.run_chunk("suite", 1000)
    assert not executions
    for name, record in records.items():
        assert not record.exceptions, name
        assert record.times.sum() == 1000
        assert record.quantile(0.5) < 1e-3, name


def test_the_same_seed_gives_the_same_strings_of_every_kind():
    drawn = list(fuzz_parsers.strings("suite", 300))
    assert drawn == list(fuzz_parsers.strings("suite", 300))
    assert {kind for kind, _ in drawn} == set(KINDS)
    assert drawn != list(fuzz_parsers.strings("other", 300))


@pytest.fixture
def only(monkeypatch):
    """Let the program see one parser instead of all."""

    def use(parser):
        monkeypatch.setattr(fuzz_parsers, "parsers", lambda: {"it": parser})

    return use


def test_a_parser_that_raises_is_noticed(only):
    only(lambda text: float(text.partition(" ")[0]))
    records, executions = fuzz_parsers.feed([("by hand", "1"), ("by hand", "one")])
    assert list(records["it"].exceptions.values()) == [1]
    assert not executions


@pytest.mark.parametrize("run", [eval, exec, lambda text: eval(compile(text, "", "eval"))])
def test_a_parser_that_runs_code_is_noticed(only, run):
    only(lambda text: run(text) if "setattr" in text else None)
    _, executions = fuzz_parsers.feed([("by hand", f'setattr(__import__("builtins"), "{CANARY}", 1)')])
    assert executions["canary"] == 1
    assert executions["__import__"] == 1


def test_a_parser_whose_time_is_quadratic_is_noticed(only, monkeypatch):
    monkeypatch.setattr(fuzz_parsers, "GROWTH", (60_000,))
    only(lambda text: sum(1 for start in range(0, len(text), 400) if "no" in text[start:]))
    assert fuzz_parsers.growth(("it", "random bytes", 0))[0] > fuzz_parsers.SUPER_LINEAR
    only(read_number)
    assert fuzz_parsers.growth(("it", "random bytes", 0))[0] < fuzz_parsers.SUPER_LINEAR
