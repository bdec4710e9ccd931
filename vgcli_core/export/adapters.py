"""A folder of adapters (LoRA, in peft's form), read to be added to the weights of a checkpoint."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vgcli_core.errors import CheckpointError
from vgcli_core.model.backbones.qwen2_5_vl import Qwen25VL
from vgcli_core.model.layouts import BACKBONE
from vgcli_core.model.lora import added
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.model.weights import FLOATS, Entry, WeightFiles, read_json

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# What peft can do beyond W + scale * B A, and the values that ask for none of it.
_PLAIN: dict[str, tuple[object, ...]] = {
    "use_dora": (None, False),
    "use_rslora": (None, False),
    "fan_in_fan_out": (None, False),
    "bias": (None, "none"),
    "lora_bias": (None, False),
    "rank_pattern": (None, {}),
    "alpha_pattern": (None, {}),
    "modules_to_save": (None, []),
}
_NAME = re.compile(r"base_model\.model\.(?P<layer>.+)\.lora_(?P<matrix>[AB])\.weight")


@dataclass(frozen=True, slots=True)
class Adapter:
    """Adapters of a folder.

    Attributes:
        folder: that holds them.
        base: what they were trained on, as the folder says.
        rank, alpha: of all of them.
        pairs: the keys of A [rank, in] and B [out, rank], by the name of the weight that they are added to.
        files: that hold these keys.
    """

    folder: Path
    base: str
    rank: int
    alpha: float
    pairs: dict[str, tuple[str, str]]
    files: WeightFiles

    @contextmanager
    def reading(self) -> Iterator[Callable[[str, Tensor], Tensor]]:
        """Open the files; yield a function from our name of a weight and the weight to the weight with its adapter.

        A sum is float32; a weight without an adapter stays as it is.
        """
        with self.files.reader() as reader:

            def add(name: str, weight: Tensor) -> Tensor:
                if name not in self.pairs:
                    return weight
                a, b = (reader.tensor(key) for key in self.pairs[name])
                return added(weight, a, b, self.alpha / self.rank)

            yield add


def is_adapter_folder(folder: Path) -> bool:
    """Return whether a folder holds adapters, and no model."""
    return (folder / CONFIG).is_file() and not (folder / "config.json").exists()


def read_adapter(folder: Path, model: VGLLM) -> Adapter:
    """Read the names and shapes of adapters.

    Args:
        folder: in peft's form, as a training run writes it.
        model: that they are for, without memory.

    Raises:
        CheckpointError: it holds no adapters, other ones than LoRA, or those of another model.
    """
    plain = read_json(folder / CONFIG)
    where = str(folder / CONFIG)
    rank, alpha = plain.get("r"), plain.get("lora_alpha")
    if plain.get("peft_type") != "LORA" or not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise _refused(f"adapters of type {plain.get('peft_type')!r}, r {rank!r}, lora_alpha {alpha!r}", where)
    for key, values in _PLAIN.items():
        if plain.get(key) not in values:
            raise _refused(f"adapters with {key} {plain[key]!r:.60}", where)
    if not (folder / WEIGHTS).is_file():
        raise CheckpointError(f"{WEIGHTS} is missing", where=str(folder), fix="copy the whole folder again")
    files = WeightFiles(folder / WEIGHTS)
    return Adapter(folder, str(plain.get("base_model_name_or_path") or ""), rank, alpha, _pairs(files, model), files)


def _pairs(files: WeightFiles, model: VGLLM) -> dict[str, tuple[str, str]]:
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found: dict[str, dict[str, str]] = {}
    for key, entry in files.entries.items():
        match = _NAME.fullmatch(key)
        if match is None or entry.dtype not in FLOATS:
            raise _refused(f"{key!r} of type {entry.dtype}", str(files.path))
        name = f"{BACKBONE}{Qwen25VL.inner_name(match['layer'])}.weight"
        found.setdefault(name, {})[match["matrix"]] = key
    for name, matrices in found.items():
        entries = {matrix: files.entries[key] for matrix, key in matrices.items()}
        if set(entries) != {"A", "B"} or shapes.get(name) != _shape(entries):
            what = f"the adapter of {name.removeprefix(BACKBONE)!r} does not fit the checkpoint"
            if name in shapes:
                parts = {matrix: list(entry.shape) for matrix, entry in sorted(entries.items())}
                what += f": {', '.join(f'{k} is {v}' for k, v in parts.items())}, the weight {list(shapes[name])}"
            fix = "give the checkpoint that the adapters were trained on; adapter_config.json names it"
            raise CheckpointError(what, where=str(files.path), fix=fix)
    if not found:
        raise CheckpointError("no adapters in the file", where=str(files.path), fix="give another folder")
    return {name: (matrices["A"], matrices["B"]) for name, matrices in found.items()}


def _shape(entries: dict[str, Entry]) -> tuple[int, ...] | None:
    """Return the shape of the weight that A and B are for, None where they do not go together."""
    a, b = entries["A"].shape, entries["B"].shape
    return (b[0], a[1]) if len(a) == len(b) == 2 and a[0] == b[1] else None


def _refused(what: str, where: str) -> CheckpointError:
    fix = "add them with peft itself (`merge_and_unload`), then save the model; or give plain LoRA adapters"
    return CheckpointError(f"these are not plain LoRA adapters: {what}", where=where, fix=fix)
