"""The prepared sets of a recipe: opened and compared with what the recipe says of them, before anything is loaded."""

import shlex
from pathlib import Path

from vgcli_core.data.base import Dataset
from vgcli_core.data.commands import prepare_command
from vgcli_core.data.mixture import Part
from vgcli_core.data.prepared import Prepared, open_prepared
from vgcli_core.data.sources import DATASETS
from vgcli_core.data.workplace import MANIFEST
from vgcli_core.errors import DataError, lookup
from vgcli_core.training.recipe import DataSet, Recipe


def open_sets(recipe: Recipe, data: Path) -> list[Part]:
    """Open every set of a recipe.

    Args:
        recipe: whose `data.sets` are opened.
        data: the folder of the prepared sets.

    Returns:
        The parts of the mixture, sorted by name, so that the order in the file does not matter.

    Raises:
        UnknownName: no dataset is called so.
        DataError: sets are missing (all are named, with the commands that make them), damaged, or made otherwise.
    """
    sets = dict(sorted(recipe.data.sets.items()))
    datasets = {
        key: lookup("dataset", DATASETS, one.dataset, where=f"data.sets.{key}.dataset") for key, one in sets.items()
    }
    roots = {key: data / (one.folder or key) for key, one in sets.items()}
    missing = [key for key, root in roots.items() if not (root / MANIFEST).is_file()]
    if missing:
        commands = [set_command(datasets[key], sets[key], roots[key]) for key in missing]
        raise DataError(
            f"prepared sets of this recipe are missing: {', '.join(missing)}",
            where=", ".join(str(roots[key]) for key in missing),
            fix=f"make them: {'; '.join(commands)} (vgllm prepare NAME --check tells what is needed, and from whom)",
        )
    return [
        Part(key, _checked(key, one, datasets[key], open_prepared(roots[key])), one.split, one.share, one.tasks)
        for key, one in sets.items()
    ]


def set_command(dataset: Dataset, wanted: DataSet, root: Path) -> str:
    """Return the command that makes a set in the folder `root`."""
    words = []
    if wanted.num_frames not in (None, dataset.num_frames):
        words += ["--num-frames", str(wanted.num_frames)]
    # The recipe may be somebody else's, and the command is there to be pasted: no word of it is left to the shell.
    try:
        words += shlex.split(wanted.prepare)
    except ValueError:
        words.append(wanted.prepare)
    return prepare_command(dataset, wanted.split, root, words)


def _checked(key: str, wanted: DataSet, dataset: Dataset, found: Prepared) -> Prepared:
    """Return the set if it is the one that the recipe means. Raises DataError."""
    job = found.manifest["job"]
    what = ""
    if job["dataset"] != dataset.name:
        what = f"{key} is a set of {job['dataset']}, and the recipe asks for {dataset.name}"
    elif wanted.split not in found.splits:
        what = f"{key} has no split {wanted.split}, only {', '.join(found.splits)}"
    elif not found.count(wanted.split):
        what = f"the split {wanted.split} of {key} is empty"
    elif not job["with_frames"]:
        what = f"{key} was made without frames"
    else:
        frames = job["num_frames"] or dataset.num_frames
        if wanted.num_frames not in (None, frames):
            what = f"{key} has {frames} frames a sample, and the recipe asks for {wanted.num_frames}"
    if what:
        command = set_command(dataset, wanted, found.root)
        raise DataError(
            what,
            where=str(found.root),
            fix=f"name another folder with --set data.sets.{key}.folder=FOLDER, or make it again: {command} --restart",
        )
    return found
