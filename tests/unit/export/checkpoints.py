"""Small checkpoints for the tests of exports."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from vgcli_core.model.lora import add_adapters, save_adapter
from vgcli_core.model.save import save_model
from vgcli_core.model.tiny import tiny_model


def tiny_folder(folder: Path, **choices: object) -> Path:
    """Save the tiny model, with its tokenizer."""
    model, tokenizer = tiny_model(**choices)
    return save_model(model, folder, tokenizer=tokenizer)


def tiny_adapter(folder: Path, merged: Path) -> Path:
    """Save adapters of the tiny model that do something, and the model with them merged."""
    model, tokenizer = tiny_model()
    add_adapters(model, rank=3, alpha=5, dropout=0, targets=("q_proj", "down_proj"))
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if ".lora_B." in name:
            torch.nn.init.normal_(parameter, std=0.1)
    save_model(model, merged, tokenizer=tokenizer)
    return save_adapter(model, folder, base="some/base")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a folder."""
    return {key: tensor for file in folder.glob("model*.safetensors") for key, tensor in load_file(file).items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether the names, dtypes and bits are the same."""
    return a.keys() == b.keys() and all(a[key].dtype == b[key].dtype and torch.equal(a[key], b[key]) for key in a)
