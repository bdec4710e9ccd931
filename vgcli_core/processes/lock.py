"""One run at a time in a run folder: a file that names its owner, and whose time moves while the owner lives.

Creating a file that must not exist, renaming and reading its time work alike on every system and on network file
systems. On the owner's own machine the process itself is asked for; from another one, a file whose time stands still
belongs to nobody. Clocks are not compared: only whether the time moves while one waits.
"""

import contextlib
import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import psutil

from vgcli_core.atomic import output_errors
from vgcli_core.errors import UsageError

LOCK = "lock"

REFRESH = 15.0  # seconds between two signs of life
_PATIENCE = 75.0  # how long a stranger's file is watched: several signs of life, some of them late
_SAME_TIME = 2.0  # seconds by which two readings of the start of a process may differ


class RunLock:
    """A block in which nobody else runs in `folder`, which is made if need be.

    Args:
        folder: the run folder.
        command: what was typed, for the message that another run gets.
        waits: told when a file of another machine has to be watched for a while.
        patience: seconds that it is watched.

    Raises (on entering):
        UsageError: another run writes there.
        OutputError: the folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        command: str = "",
        *,
        waits: Callable[[str], None] = lambda text: None,
        patience: float = _PATIENCE,
    ) -> None:
        self.path = folder / LOCK
        self._waits, self._patience = waits, patience
        own = psutil.Process()
        self._me = {
            "host": platform.node(),
            "pid": own.pid,
            "started": own.create_time(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            "command": command,
            "token": secrets.token_hex(8),
        }
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._refresh, name="run lock", daemon=True)

    def __enter__(self) -> Self:
        with output_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            while not self._is_mine() and not self._create():
                self._take_over()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        if self._is_mine():
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _create(self) -> bool:
        """Make the file unless there is one."""
        with self._whole() as new:
            return _link(new, self.path)

    def _take_over(self) -> None:
        """Take the place of a dead owner, of whom only one can be the heir; raise UsageError where the owner lives.

        Heirs are named by files of their own, so that one who is killed before it takes its place has an heir too.
        """
        owner = _read(self.path)
        if owner is None:
            return  # it went just now
        self._refuse_if_alive(owner, self.path)
        claims, dead = [], owner
        with self._whole() as new:
            while not _link(new, claim := self._claim(dead)):
                claims.append(claim)
                heir = _read(claim)
                if heir is None:
                    return  # another one has become the owner
                self._refuse_if_alive(heir, claim)
                dead = heir
            claims.append(claim)
            if _read(self.path) == owner:
                new.replace(self.path)
        # After the change: whoever becomes the heir of a dead owner now finds that the file is not his.
        for claim in claims:
            claim.unlink(missing_ok=True)

    def _claim(self, owner: dict[str, Any]) -> Path:
        token = str(owner.get("token", ""))
        return self.path.with_name(f".{LOCK}-{token if token.isalnum() else 'damaged'}-heir")

    @contextlib.contextmanager
    def _whole(self) -> Iterator[Path]:
        """Yield a file that says who we are."""
        new = self.path.with_name(f".{LOCK}-{self._me['token']}")
        new.write_text(json.dumps(self._me) + "\n", encoding="utf-8")
        try:
            yield new
        finally:
            new.unlink(missing_ok=True)

    def _refuse_if_alive(self, owner: dict[str, Any], path: Path) -> None:
        lives = _lives(owner) if owner.get("host") == self._me["host"] else None
        if lives or (lives is None and self._moves(path)):
            who = f"process {owner.get('pid', '?')} on {owner.get('host', '?')}, since {owner.get('since', '?')}"
            command = f": {owner['command']}" if owner.get("command") else ""
            raise UsageError(
                f"another run writes here ({who}{command})",
                where=str(self.path.parent),
                fix="wait for its end, stop it, or choose another --out",
            )

    def _moves(self, path: Path) -> bool:
        """Watch the file for a while: does its time change, or does it go?"""
        first = _time(path)
        if first is None:
            return False
        self._waits(f"the folder may be in use by a run elsewhere: waiting {self._patience:.0f} s for a sign of life")
        until = time.monotonic() + self._patience
        while time.monotonic() < until:
            time.sleep(min(1.0, self._patience / 20))
            if _time(path) != first:
                return _time(path) is not None
        return False

    def _refresh(self) -> None:
        while not self._done.wait(REFRESH):
            if self._is_mine():
                with contextlib.suppress(OSError):
                    os.utime(self.path)

    def _is_mine(self) -> bool:
        owner = _read(self.path)
        return owner is not None and owner.get("token") == self._me["token"]


def _link(new: Path, name: Path) -> bool:
    """Give a whole file a second name, unless that name is taken: of any number of starters one succeeds."""
    try:
        os.link(new, name)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        try:
            with name.open("xb") as file:
                file.write(new.read_bytes())
        except FileExistsError:
            return False
    return True


def _read(path: Path) -> dict[str, Any] | None:
    """Return what a file says of its owner, nothing where it is damaged; None where there is no file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _time(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _lives(owner: dict[str, Any]) -> bool | None:
    """Tell whether a process of this machine lives; None where another one may have its number, or a clock was set."""
    try:
        process = psutil.Process(int(owner["pid"]))
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return True if abs(process.create_time() - float(owner["started"])) < _SAME_TIME else None
    except (psutil.Error, KeyError, ValueError, TypeError):
        return False
