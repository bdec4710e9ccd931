"""Trackers: what they are told, and that none of them can stop a run."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from vgcli_core.errors import ResourceError, UnknownName
from vgcli_core.records import flat
from vgcli_core.training import trackers
from vgcli_core.training.trackers import Trackers, check_trackers

CONFIG = {"seed": 0, "optim": {"lr": 1e-5, "betas": [0.9, 0.999]}, "lora": {}}


class Stranger(ModuleType):
    """Stands for wandb or trackio: writes down every call, and can fail."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        self.calls: list[tuple[str, Any, Any]] = []
        self.failing = ""

    def init(self, **options: Any) -> "Stranger":
        return self._called("init", None, options)

    def log(self, values: dict[str, float], *, step: int) -> None:
        self._called("log", values, step)

    def finish(self) -> None:
        self._called("finish", None, None)

    def _called(self, name: str, values: Any, options: Any) -> "Stranger":
        if self.failing == name:
            raise ConnectionError("no route to host\nand more")
        self.calls.append((name, values, options))
        return self


@pytest.fixture
def strangers(monkeypatch) -> dict[str, Stranger]:
    found = {name: Stranger(name) for name in ("wandb", "trackio")}
    for name, module in found.items():
        monkeypatch.setitem(sys.modules, name, module)
    return found


def test_each_tracker_gets_the_run_and_its_points(tmp_path: Path, strangers) -> None:
    used = Trackers(["wandb", "trackio"], tmp_path, CONFIG, "sink-12ab", after_step=4)
    used.log(5, {"loss": 2.0, "lr": 1e-5})
    used.log(5, {"validation/exact": 0.5})
    used.close()
    common = {"project": "vgllm", "name": "sink-12ab", "config": CONFIG, "resume": "allow"}
    points = [("log", {"loss": 2.0, "lr": 1e-5}, 5), ("log", {"validation/exact": 0.5}, 5), ("finish", None, None)]
    assert strangers["trackio"].calls == [("init", None, common), *points]
    assert strangers["wandb"].calls == [("init", None, {**common, "id": "sink-12ab", "dir": str(tmp_path)}), *points]


def test_offline_is_passed_on(tmp_path: Path, strangers) -> None:
    Trackers(["wandb"], tmp_path, CONFIG, "a", offline=True).close()
    assert strangers["wandb"].calls[0][2]["mode"] == "offline"


@pytest.mark.parametrize("failing", ["log", "finish"])
def test_a_tracker_that_fails_is_told_once_and_the_others_go_on(tmp_path: Path, strangers, failing: str) -> None:
    said: list[str] = []
    strangers["wandb"].failing = failing
    used = Trackers(["wandb", "trackio"], tmp_path, CONFIG, "a", say=said.append)
    for step in range(1, 4):
        used.log(step, {"loss": 1.0})
    used.close()
    assert len(said) == 1
    assert said[0].startswith("wandb failed") and "no route to host" in said[0] and "and more" not in said[0]
    assert [name for name, _, _ in strangers["trackio"].calls] == ["init", "log", "log", "log", "finish"]


def test_a_tracker_that_does_not_start_says_so_before_training(tmp_path: Path, strangers) -> None:
    strangers["wandb"].failing = "init"
    with pytest.raises(ResourceError, match="wandb does not start: no route to host"):
        Trackers(["trackio", "wandb"], tmp_path, CONFIG, "a")
    assert strangers["trackio"].calls[-1][0] == "finish"


def test_missing_packages_and_unknown_names(monkeypatch) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(ResourceError, match="tensorboard is not installed") as caught:
        check_trackers(["tensorboard"])
    assert "pip install tensorboard" in caught.value.fix
    with pytest.raises(UnknownName, match="mlflow"):
        check_trackers(["mlflow"])


def test_nested_tables_become_one() -> None:
    assert flat(CONFIG) == {"seed": 0, "optim.lr": 1e-5, "optim.betas": [0.9, 0.999], "lora": {}}


def test_tensorboard_shows_each_step_once_after_a_restart(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for after, last in ((0, 6), (3, 8)):
        used = Trackers(["tensorboard"], tmp_path, CONFIG, "a", after_step=after)
        for step in range(after + 1, last + 1):
            used.log(step, {"loss": step + after / 10})
        used.close()
    shown = EventAccumulator(str(tmp_path / "tensorboard"))
    shown.Reload()
    points = [(point.step, point.value) for point in shown.Scalars("loss")]
    assert [step for step, _ in points] == list(range(1, 9))
    assert points[3][1] == pytest.approx(4.3) and points[2][1] == pytest.approx(3.0)
