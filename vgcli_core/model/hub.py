"""A checkpoint's folder: on this machine, or fetched from the hub into its cache (HF_HOME, offline mode honoured)."""

import os
from pathlib import Path

from vgcli_core.errors import CheckpointError

_WANTED = ["*.json", "*.safetensors", "*.txt", "*.jinja", "*.model"]


def checkpoint_folder(name: str | Path, *, revision: str | None = None, offline: bool = False) -> Path:
    """Return the folder of `name`: an existing path, or a hub repository "owner/name", downloaded when needed.

    Raises:
        CheckpointError: no such folder, repository or revision; no access to it; no network and not in the cache.
    """
    path = Path(name).expanduser()
    if path.exists():
        return path
    text = str(name)
    if text.startswith((".", "/", "~")) or text.count("/") != 1 or "\\" in text:
        raise CheckpointError(
            f"no folder or file {text!r}",
            where=str(path.absolute().parent) if path.name else text,
            fix="give an existing folder, or a hub name like owner/name",
        )
    return _fetch(text, revision, offline)


def _fetch(name: str, revision: str | None, offline: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    where = f"hub repository {name}" + (f" at revision {revision}" if revision else "")
    where += f" (there is no folder {Path(name).absolute()})"
    offline = offline or os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=_WANTED, local_files_only=offline))
    except GatedRepoError as error:
        fix = "accept its terms on the model's page, then log in with `hf auth login`"
        raise CheckpointError("access to these weights must be asked for", where=where, fix=fix) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        fix = "check the spelling; a private repository needs `hf auth login`; a folder must exist on this machine"
        raise CheckpointError("no such folder and no such repository on the hub", where=where, fix=fix) from error
    except RevisionNotFoundError as error:
        raise CheckpointError("the repository has no such revision", where=where, fix="check --revision") from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        fix = (
            "download it once while online (`hf download " + name + "`), or set HF_HOME to the cache that holds it"
            if offline
            else "the hub cannot be reached: check the network, or use --offline with a filled cache"
        )
        what = "not a folder on this machine, and not in the local hub cache"
        raise CheckpointError(what, where=where, fix=fix) from error
    except OSError as error:  # network errors of requests and httpx are OSErrors or carry one
        fix = "check network and disk space"
        raise CheckpointError(f"cannot fetch the weights: {error}", where=where, fix=fix) from error
