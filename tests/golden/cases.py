"""Golden model cases: found by listing the folders, loaded once per session, and how their inputs are named."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from vgcli_core.model.checkpoint import Options, load_model
from vgcli_core.model.generate import Decoding, greedy
from vgcli_core.model.geometry_encoders import GEOMETRY_ENCODERS
from vgcli_core.model.positions import batch_positions
from vgcli_core.model.vgllm import VGLLM, ModelInputs

# geometry.json also lists constants and remarks; these are the names that differ from our sizes.
_CONSTANTS = {"feature_index": -2, "rope_frequency": 100}


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
        for prefix in ("images_vggt", "geometry_encoder_inputs"):
            if f"{prefix}.0" in self.inputs or any(key.startswith(f"{prefix}.") for key in self.inputs):
                return [self.inputs[f"{prefix}.{i}"] for i in range(len(self.inputs["input_ids"]))]
        raise AssertionError(f"{self.name} has no frames")

    def grids(self) -> list[Tensor]:
        """The grids of each sample."""
        split, start = [], 0
        for frames in self.frames:
            split.append(self.inputs["image_grid_thw"][start : start + len(frames)])
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
            pixel_values=self.inputs["pixel_values"],
            grid_thw=self.inputs["image_grid_thw"],
            geometry_frames=self.frames,
            labels=None if generation else self.inputs["labels"],
        )

    def generate(self, *, stop: int = -1, penalty: float = 1.0) -> list[list[int]]:
        """Greedy ids for the recorded left-padded prompts, as many as were recorded."""
        batch = self.batch(generation=True)
        limit = self.outputs["gen.new_tokens"].shape[1]
        eos = json.loads((self.folder / "generation_config.json").read_text())["eos_token_id"]
        stops = {stop} if stop >= 0 else set(eos if isinstance(eos, list) else [eos])
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
    files = [*golden.glob("model/*/model.safetensors"), *golden.glob("gen2/model/*/model.safetensors")]
    return [Case(file.parent) for file in sorted(files)]


def worst(found: Tensor, expected: Tensor) -> float:
    """The largest absolute difference; the shapes must agree."""
    assert found.shape == expected.shape, f"{tuple(found.shape)} != {tuple(expected.shape)}"
    return float((found.detach().double() - expected.double()).abs().max())
