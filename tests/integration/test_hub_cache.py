"""A hub name is found in the local cache, offline: what a robot without a network does."""

import os
import subprocess
import sys
from pathlib import Path

from vgcli_core.model.save import save_model
from vgcli_core.model.tiny import tiny_model

OWNER, NAME, COMMIT = "someone", "my-vgllm", "0123456789abcdef0123456789abcdef01234567"
SCRIPT = """
from vgcli_core import load
model = load("someone/my-vgllm", offline=True)
print(model.name, model.report.layout, model.info().conventions_from)
load("someone/my-vgllm", revision="v1", offline=True)
"""


def test_a_cached_repository_loads_by_name_and_a_missing_revision_is_told(tmp_path: Path):
    repository = tmp_path / "hub" / f"models--{OWNER}--{NAME}"
    model, tokenizer = tiny_model()
    save_model(model, repository / "snapshots" / COMMIT, tokenizer=tokenizer)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.stdout.strip() == "someone/my-vgllm generation-2 the tiny model", found.stderr
    assert "CheckpointError" in found.stderr
    assert "not in the local hub cache" in found.stderr
    assert "at revision v1" in found.stderr
