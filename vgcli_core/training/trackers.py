"""Curves in tensorboard, wandb and trackio, for those who ask for them; `log.jsonl` has everything without them.

A tracker must not cost a run: what it needs is checked before training starts, and one that fails later is left out.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from vgcli_core.errors import ResourceError, VgllmError, first_line, lookup
from vgcli_core.records import flat

PROJECT = "vgllm"


class _Tracker(Protocol):
    def log(self, step: int, values: Mapping[str, float]) -> None: ...
    def close(self) -> None: ...


class _Tensorboard:
    """Event files in the run folder. Points after the checkpoint that a run goes on from are hidden by the new ones."""

    def __init__(self, folder: Path, config: Mapping[str, Any], name: str, after_step: int, *, offline: bool) -> None:
        writer = import_module("torch.utils.tensorboard").SummaryWriter
        self._writer = writer(str(folder / "tensorboard"), purge_step=after_step + 1)
        if not after_step:
            self._writer.add_text("recipe", "\n".join(f"    {key}: {value}" for key, value in flat(config).items()))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self._writer.add_scalar(key, value, step)

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    """A run on the server, or files for `wandb sync`. It keeps the first value of a step that is redone."""

    def __init__(self, folder: Path, config: Mapping[str, Any], name: str, after_step: int, *, offline: bool) -> None:
        mode = {"mode": "offline"} if offline else {}
        wandb = import_module("wandb")
        self._run = wandb.init(
            project=PROJECT, id=name, name=name, dir=str(folder), config=dict(config), resume="allow", **mode
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


class _Trackio:
    """A run in trackio's local database. It keeps both values of a step that is redone."""

    def __init__(self, folder: Path, config: Mapping[str, Any], name: str, after_step: int, *, offline: bool) -> None:
        self._trackio = import_module("trackio")
        self._trackio.init(project=PROJECT, name=name, config=dict(config), resume="allow")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._trackio.log(dict(values), step=step)

    def close(self) -> None:
        self._trackio.finish()


TRACKERS: dict[str, Callable[..., _Tracker]] = {"tensorboard": _Tensorboard, "wandb": _Wandb, "trackio": _Trackio}


def check_trackers(names: Sequence[str]) -> None:
    """Make sure that trackers exist and are installed; cheap, so ask before anything is loaded.

    Raises:
        UnknownName: there is no such tracker.
        ResourceError: its package is missing.
    """
    for name in names:
        lookup("tracker", TRACKERS, name, where="--track")
        if find_spec(name) is None:
            raise ResourceError(
                f"{name} is not installed", where=f"--track {name}", fix=f"pip install {name}, or leave it out"
            )


class Trackers:
    """All trackers of a run.

    Args:
        names: which; see TRACKERS.
        folder: of the run.
        config: the recipe, kept with the curves.
        name: of the run, unique among a user's runs and the same whenever this one goes on.
        after_step: step of the checkpoint that the run goes on from, 0 where there is none.
        offline: send nothing.
        say: called with a remark when a tracker fails.

    Raises:
        UnknownName, ResourceError: see `check_trackers`; or a tracker refuses to start, for example without a login.
    """

    def __init__(
        self,
        names: Sequence[str],
        folder: Path,
        config: Mapping[str, Any],
        name: str,
        *,
        after_step: int = 0,
        offline: bool = False,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        check_trackers(names)
        self._say = say
        self._running: dict[str, _Tracker] = {}
        for which in dict.fromkeys(names):
            try:
                self._running[which] = TRACKERS[which](folder, config, name, after_step, offline=offline)
            except Exception as error:  # packages of others: each has its own kinds of errors
                self.close()
                raise _refused(which, error) from error

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each named curve; a tracker that fails is left out from then on, with one remark."""
        self._each(lambda tracker: tracker.log(step, values))

    def close(self) -> None:
        """Send what is not sent yet."""
        self._each(lambda tracker: tracker.close())
        self._running.clear()

    def _each(self, what: Callable[[_Tracker], None]) -> None:
        for name, tracker in list(self._running.items()):
            try:
                what(tracker)
            except Exception as error:
                del self._running[name]
                self._say(f"{name} failed and is left out from now on ({first_line(error)}); log.jsonl has everything")


def _refused(name: str, error: Exception) -> VgllmError:
    return ResourceError(
        f"{name} does not start: {first_line(error)}",
        where=f"--track {name}",
        fix="mend that (wandb: `wandb login`, or --offline), or leave the tracker out",
    )
