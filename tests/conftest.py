"""Fixtures for every test: one torch thread per worker, no network, and the one way to the golden files."""

import os
from pathlib import Path

import pytest

# Two torch threads on a busy two-core machine are 20 times slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

REPOSITORY = Path(__file__).parent.parent


def shared_folder() -> Path | None:
    """Return the folder of shared facts: VGLLM_SHARED, or `shared` beside the clone; None where there is none."""
    named = os.environ.get("VGLLM_SHARED")
    folder = Path(named) if named else REPOSITORY.parent / "shared"
    return folder if (folder / "golden").is_dir() else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end, where nobody can miss it, what this run could not prove."""
    if shared_folder() is None:
        terminalreporter.section("golden files not found", yellow=True)
        terminalreporter.line(
            "Equality with the reference was checked on the few recordings in tests/golden/data only; tests that need "
            "the others were skipped. Set VGLLM_SHARED to the folder that holds `golden/` to run them all."
        )


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of golden files; the test is skipped, with a reason that says how to get them, where it is absent."""
    folder = shared_folder()
    if folder is None:
        pytest.skip("golden files not found: set VGLLM_SHARED to the folder that holds `golden/`")
    return folder / "golden"


@pytest.fixture(scope="session")
def golden_or_copy() -> Path:
    """The folder of golden files, or the few of them that every clone carries; both have the same layout."""
    folder = shared_folder()
    return folder / "golden" if folder is not None else REPOSITORY / "tests" / "golden" / "data"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the clone."""
    return REPOSITORY
