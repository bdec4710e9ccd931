"""Golden model cases: found by listing the folders, loaded once per session, and how their inputs are named."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from vgcli_core.model.checkpoint import Options, load_model
from vgcli_core.model.generate import Decoding, greedy
from vgcli_core.model.geometry_encoders import GEOMETRY_ENCODERS
from vgcli_core.model.layouts import to_published
from vgcli_core.model.positions import batch_positions
from vgcli_core.model.vgllm import VGLLM, ModelInputs

# How far a gradient may be from the recorded one, relative to its largest entry (the recording's own recommendation).
GRADIENT = 1e-4
# geometry.json also lists constants and remarks; these are the names that differ from our sizes.
_CONSTANTS = {
    "feature_index": -2,
    "rope_frequency": 100,
    "layer_norm_eps_patch_embed": 1e-6,
    "layer_norm_eps_aggregator": 1e-5,
    "layer_norm_eps_encoder": 1e-6,
    "layer_norm_eps_decoder": 1e-6,
    "layer_norm_eps_qk": 1e-5,
    "qk_norm_aggregator": True,
    "qk_norm_patch_embed": False,
    "qk_norm_decoder": True,
    "qk_norm_encoder": False,
}


@dataclass(frozen=True)
class Case:
    """One recorded model: its folder, and everything read from it on first use."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def facts(self) -> dict[str, Any]:
        return json.loads((self.folder / "case.json").read_text())

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        return load_file(self.folder / "inputs.safetensors")

    @cached_property
    def outputs(self) -> dict[str, Tensor]:
        return load_file(self.folder / "outputs.safetensors")

    @cached_property
    def sizes(self) -> dict[str, Any]:
        plain = json.loads((self.folder / "geometry.json").read_text())
        for key, value in _CONSTANTS.items():
            assert plain.get(key, value) == value, f"{self.name}: another {key} than the code's"
        known = GEOMETRY_ENCODERS[plain.get("type", "vggt")].Config.model_fields
        return {key: value for key, value in plain.items() if key in known}

    @cached_property
    def model(self) -> VGLLM:
        return self.load()

    def load(self) -> VGLLM:
        options = Options(device="cpu", dtype="float32", attention="sdpa", geometry_sizes=self.sizes)
        return load_model(self.folder, options)[0]

    @property
    def frames(self) -> list[Tensor]:
        """Geometry frames of each sample, [0, 3, H, W] for a sample without pictures."""
        nothing = torch.empty(0, 3, 0, 0)
        names = ("images_vggt", "geometry_encoder_inputs")
        return [
            next((self.inputs[f"{name}.{i}"] for name in names if f"{name}.{i}" in self.inputs), nothing)
            for i in range(len(self.inputs["input_ids"]))
        ]

    @property
    def all_grids(self) -> Tensor:
        return self.inputs.get("image_grid_thw", torch.empty(0, 3, dtype=torch.long))

    def grids(self) -> list[Tensor]:
        """The grids of each sample."""
        split, start = [], 0
        for frames in self.frames:
            split.append(self.all_grids[start : start + len(frames)])
            start += len(frames)
        return split

    def batch(self, *, generation: bool = False) -> ModelInputs:
        """The recorded batch, with positions worked out by us."""
        prefix = "gen." if generation else ""
        ids, mask = self.inputs[f"{prefix}input_ids"], self.inputs[f"{prefix}attention_mask"]
        rows = list(zip(ids, self.grids(), strict=True))
        return ModelInputs(
            input_ids=ids,
            attention_mask=mask,
            position_ids=batch_positions(rows, mask, self.model.backbone.image_token_id),
            pixel_values=self.inputs.get("pixel_values"),
            grid_thw=self.inputs.get("image_grid_thw"),
            geometry_frames=self.frames,
            labels=None if generation else self.inputs["labels"],
        )

    def gradients(self) -> Iterator[tuple[str, Tensor, float]]:
        """The recorded gradients of the loss: our parameter's name, the gradient, and how far ours may be from it."""
        encoder = self.model.config.geometry_encoder
        ours = {to_published(name, encoder): name for name, _ in self.model.named_parameters()}
        recorded = {key.removeprefix("grad/"): t for key, t in self.outputs.items() if key.startswith("grad/")}
        # A key's bias drops out of the softmax, so its gradient is rounding noise around 0: hence a floor.
        floor = 1e-6 * max(float(t.abs().max()) for t in recorded.values())
        for key, expected in recorded.items():
            name = ours[f"geometry_{key}" if key.startswith("merger.") else key]
            yield name, expected, GRADIENT * float(expected.abs().max()) + floor

    @property
    def ends(self) -> set[int]:
        """The end tokens of the checkpoint."""
        ends = self.model.backbone.model.generation_config.eos_token_id
        return set(ends if isinstance(ends, list) else [] if ends is None else [ends])

    def generate(self, *, stop: int = -1, penalty: float = 1.0) -> list[list[int]]:
        """Greedy ids for the recorded left-padded prompts, as many as were recorded."""
        batch = self.batch(generation=True)
        limit = self.outputs["gen.new_tokens"].shape[1]
        stops = {stop} if stop >= 0 else self.ends
        decoding = [Decoding(limit, frozenset(stops), penalty)] * len(batch.input_ids)
        return greedy(
            self.model,
            self.model.embeds(batch),
            mask=batch.attention_mask,
            positions=batch.position_ids,
            seen=batch.input_ids.tolist(),
            decoding=decoding,
        )


def find_cases(golden: Path) -> list[Case]:
    """Every case of both generations."""
    files = [*golden.glob("model/*/case.json"), *golden.glob("gen2/model/*/case.json")]
    return [Case(file.parent) for file in sorted(files)]


def trimmed(rows: list[list[int]], ends: set[int]) -> list[list[int]]:
    """Recorded rows are filled up with padding after an end token; cut them, and ours, right after it."""
    return [row[: next((i + 1 for i, token in enumerate(row) if token in ends), len(row))] for row in rows]


def worst(found: Tensor, expected: Tensor) -> float:
    """The largest absolute difference; the shapes must agree."""
    assert found.shape == expected.shape, f"{tuple(found.shape)} != {tuple(expected.shape)}"
    return float((found.detach().double() - expected.double()).abs().max())
