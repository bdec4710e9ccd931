"""What a run writes down about machine, code and weights: enough to say why two runs differ."""

import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from vgcli_core.data.checksums import checksum
from vgcli_core.model.config import CONFIG_NAME
from vgcli_core.model.elsewhere import FILE as ELSEWHERE
from vgcli_core.version import __version__

_PACKAGES = ("torch", "transformers", "accelerate", "deepspeed", "peft", "safetensors", "numpy", "flash-attn")
_WEIGHT_FILES = (".safetensors", ".bin", ".pt")
_CONFIGURATION = ("config.json", "generation_config.json", CONFIG_NAME, ELSEWHERE)
_TOKENIZER = ("tokenizer", "vocab", "merges", "added_tokens", "special_tokens_map")
# Smaller files are read whole for their checksum; gigabytes are told apart by size and pieces all over them.
_READ_WHOLE = 64 * 1024 * 1024


def code_version() -> dict[str, Any]:
    """Return vgllm's version; run from a clone, also its commit and whether files differ from it."""
    found: dict[str, Any] = {"vgllm": __version__}
    clone = Path(__file__).parents[2]
    if (clone / ".git").exists() and (commit := _output("git", "-C", str(clone), "rev-parse", "HEAD")):
        status = _output("git", "-C", str(clone), "status", "--porcelain", "--untracked-files=no")
        found |= {"commit": commit, "modified": bool(status)}
    return found


def source_of(name: str, path: Path) -> dict[str, Any]:
    """Return where weights came from, with a checksum of each file that answers depend on."""
    files = (
        [path]
        if path.is_file()
        else [
            file
            for file in sorted(path.iterdir())
            if file.name in _CONFIGURATION
            or file.name.startswith(_TOKENIZER)
            or file.name.endswith((*_WEIGHT_FILES, ".index.json"))
        ]
    )
    return {
        "name": name,
        "folder": str(path.absolute()),
        # The hub's cache names a snapshot by its commit.
        "revision": path.name if path.parent.name == "snapshots" else None,
        "files": {file.name: checksum(file, large=_READ_WHOLE, spread=True)._asdict() for file in files},
    }


def weights_in(source: Mapping[str, Any]) -> dict[str, str]:
    """Return the checksums of the weight files in what `source_of` returned, by name."""
    return {name: one["sha256"] for name, one in source.get("files", {}).items() if name.endswith(_WEIGHT_FILES)}


def device_name(device: torch.device) -> str:
    """Return the name of a GPU, or what the CPU is."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} ({platform.machine()})"


def versions() -> dict[str, str]:
    """Return the versions that numbers may depend on; driver and CUDA where there is a GPU."""
    found = {"python": platform.python_version(), "system": platform.system()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if torch.version.cuda is not None and torch.cuda.is_available():
        driver = _output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
        found |= {"cuda": torch.version.cuda, "driver": driver.partition("\n")[0]}
    return found


def _output(program: str, *arguments: str) -> str:
    """Return what a program prints; "" where it is not installed, fails, or takes long."""
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
