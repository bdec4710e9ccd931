"""The files beside the weights that go into every export as they are: tokenizer, generation settings, licence texts."""

import shutil
from fnmatch import fnmatch
from pathlib import Path

from vgcli_core.model.tokenizer import load_tokenizer

_PATTERNS = (
    *("tokenizer*", "vocab*", "merges*", "added_tokens*", "special_tokens_map*", "chat_template*"),
    *("generation_config.json", "preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json"),
    *("LICENSE*", "LICENCE*", "NOTICE*"),
)


def companions(folder: Path) -> list[Path]:
    """Return those files of a checkpoint's folder. Raises CheckpointError where its tokenizer is missing or damaged."""
    load_tokenizer(folder)
    paths = (path for path in sorted(folder.iterdir()) if any(fnmatch(path.name, one) for one in _PATTERNS))
    return [path for path in paths if path.is_file()]


def copy_files(paths: list[Path], folder: Path) -> None:
    """Copy files into a folder; links become files. Raises OSError."""
    for path in paths:
        shutil.copyfile(path, folder / path.name)
