"""The tokenizer that came with a checkpoint; no code of the folder is ever run."""

from pathlib import Path
from typing import Any

from vgcli_core.errors import CheckpointError, first_line
from vgcli_core.model.quiet import quiet_libraries


def load_tokenizer(folder: Path) -> Any:
    """Load the tokenizer of a checkpoint's folder. Raises CheckpointError where it is missing or damaged."""
    from transformers import AutoTokenizer

    fix = "copy tokenizer.json and tokenizer_config.json of the backbone (Qwen2.5-VL) into the folder"
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise CheckpointError("the folder holds no tokenizer", where=str(folder), fix=fix)
    try:
        with quiet_libraries():
            return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers raises many types for damaged tokenizer files
        what = f"the tokenizer cannot be loaded: {first_line(error)}"
        raise CheckpointError(what, where=str(folder), fix=fix) from error
