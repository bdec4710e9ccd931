"""The lines of a run: cut back to a checkpoint, whole after a kill, exact."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from vgcli_core.errors import DataError, OutputError
from vgcli_core.training.log import BAD, LOG, TIMING, RunLog, read_log

BAD_SAMPLE = SimpleNamespace(id="s7", where="data/rooms/train.jsonl", reason="frame 3 is damaged: é")


def run(folder: Path, first: int, last: int, *, after: int) -> None:
    log = RunLog(folder, after)
    for step in range(first, last + 1):
        log.step({"step": step, "loss": 1 / 3 + step, "lr": 1e-5 / step, "tokens": 17 * step})
        log.timing({"step": step, "seconds": 0.1})
        if step % 2 == 0:
            log.bad(step, BAD_SAMPLE)
            log.validation(step, {"loss": 0.1 * step, "exact": 1.0})
    log.close()


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (LOG, TIMING, BAD)}


@pytest.mark.parametrize(("checkpoint", "torn"), [(4, True), (4, False), (0, True), (9, True)])
def test_going_on_leaves_the_files_of_a_run_that_never_stopped(tmp_path: Path, checkpoint: int, torn: bool) -> None:
    run(tmp_path / "whole", 1, 12, after=0)
    run(tmp_path / "killed", 1, 9, after=0)
    if torn:
        for name in (LOG, TIMING, BAD):
            with (tmp_path / "killed" / name).open("ab") as file:
                file.write('{"step": 10, "reason": "é'.encode()[:-1])
    run(tmp_path / "killed", checkpoint + 1, 12, after=checkpoint)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_numbers_come_back_exactly_and_keys_keep_their_order(tmp_path: Path) -> None:
    run(tmp_path, 1, 2, after=0)
    lines = read_log(tmp_path)
    assert lines[0] == {"step": 1, "loss": 1 / 3 + 1, "lr": 1e-5, "tokens": 17}
    assert list(lines[1]) == ["step", "loss", "lr", "tokens"]
    assert lines[2] == {"step": 2, "validation": {"exact": 1.0, "loss": 0.2}}
    assert read_log(tmp_path, BAD) == [{"step": 2, "id": "s7", "where": BAD_SAMPLE.where, "reason": BAD_SAMPLE.reason}]


def test_a_line_is_there_as_soon_as_it_is_written_and_a_torn_one_is_not_read(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0)
    log.step({"step": 1, "loss": 2.0})
    with (tmp_path / LOG).open("ab") as file:
        file.write(b'{"step": 2, "lo')
    assert read_log(tmp_path) == [{"step": 1, "loss": 2.0}]
    log.close()
    assert read_log(tmp_path / "nowhere") == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_not_written(tmp_path: Path, value: float) -> None:
    log = RunLog(tmp_path, 0)
    with pytest.raises(ValueError, match="grad_norm of step 3"):
        log.step({"step": 3, "grad_norm": value})
    with pytest.raises(ValueError, match="exact of step 3"):
        log.validation(3, {"exact": value})
    log.close()
    assert read_log(tmp_path) == []


def test_processes_but_the_first_write_nothing(tmp_path: Path) -> None:
    log = RunLog(None, 0)
    log.step({"step": 1})
    log.bad(1, BAD_SAMPLE)
    log.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", ["loss 3", "[1]", '{"loss": 2}', '{"step": "2"}'])
def test_a_strange_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / LOG).write_text(json.dumps({"step": 1}) + "\n" + line + "\n" + '{"step": 3}\n', encoding="utf-8")
    with pytest.raises(DataError, match="line 2"):
        RunLog(tmp_path, 5)


def test_a_full_disk_is_an_error_that_can_be_acted_on_and_goes_on_later(tmp_path: Path, monkeypatch) -> None:
    log = RunLog(tmp_path, 0)
    log.step({"step": 1, "loss": 2.0})
    real = log._files[LOG]

    class Full:
        """Takes five bytes, then has no room, as a disk that fills up."""

        left = 5

        def write(self, data: bytes) -> int:
            if not self.left:
                raise OSError(28, "No space left on device")
            self.left = 0
            return real.write(data[:5])

    monkeypatch.setitem(log._files, LOG, Full())
    with pytest.raises(OutputError, match="No space left"):
        log.step({"step": 2, "loss": 1.0})
    real.close()
    assert (tmp_path / LOG).read_bytes().endswith(b'{"ste')
    RunLog(tmp_path, 1).close()
    assert read_log(tmp_path) == [{"step": 1, "loss": 2.0}]
