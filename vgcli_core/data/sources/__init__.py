"""All datasets, by name. To add one, write a file in this folder and add a line here."""

from vgcli_core.data.base import Dataset
from vgcli_core.data.sources import spar
from vgcli_core.errors import lookup

DATASETS: dict[str, Dataset] = {
    "spar": spar.DATASET,
}


def get_dataset(name: str) -> Dataset:
    """Return the dataset called `name`. Raises UnknownName with the nearest one."""
    return lookup("dataset", DATASETS, name)
