from pathlib import Path

import pytest

from tests.unit.training.runs import prepare_rooms


@pytest.fixture(scope="session")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that holds two prepared rooms."""
    return prepare_rooms(tmp_path_factory.mktemp("data"))
