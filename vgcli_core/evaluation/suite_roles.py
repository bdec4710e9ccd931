"""The models that the paper's tables compare, as roles that a user's models play, and how to come by each."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Size = Literal["4B", "8B"]

QWEN_3B = "Qwen/Qwen2.5-VL-3B-Instruct"
QWEN_7B = "Qwen/Qwen2.5-VL-7B-Instruct"


@dataclass(frozen=True, slots=True)
class Role:
    """One model of the paper.

    Attributes:
        what: it is, in one line.
        size: as the paper names it; models without a geometry encoder have the size of the one they compare with.
        recipe: that trains it; "" where it is used as it is.
        settings: words of `--set` that go with the recipe.
        weights: hub name of weights that its authors give; "" for none.
    """

    what: str
    size: Size = "4B"
    recipe: str = ""
    settings: tuple[str, ...] = ()
    weights: str = ""


ROLES: Mapping[str, Role] = {
    "scene": Role("3D scenes: grounding, captions, detection", recipe="scene", weights="zd11024/vgllm-3d-vggt-4b"),
    "scene-8b": Role("scene, 8B", "8B", "scene-8b", weights="zd11024/vgllm-3d-vggt-8b"),
    "scene-no-geometry": Role(
        "the baseline of scene: Qwen2.5-VL-3B trained on the same data", recipe="scene-no-geometry"
    ),
    "scene-8b-no-geometry": Role(
        "the baseline of scene-8b: Qwen2.5-VL-7B trained on the same data", "8B", "scene-8b-no-geometry"
    ),
    "scene-cross-attention-1": Role(
        "scene, fused by one layer of cross-attention", recipe="scene", settings=("start.fusion=cross_attention",)
    ),
    "scene-cross-attention-3": Role(
        "scene, fused by three layers of cross-attention",
        recipe="scene",
        settings=("start.fusion=cross_attention", "start.fusion_layers=3"),
    ),
    "scene-concat": Role("scene, fused by concatenation", recipe="scene", settings=("start.fusion=concat",)),
    "spatial": Role("spatial reasoning", recipe="spatial", weights="zd11024/vgllm-qa-vggt-4b"),
    "spatial-8b": Role("spatial reasoning, 8B", "8B", "spatial-8b", weights="zd11024/vgllm-qa-vggt-8b"),
    "spatial-no-geometry": Role(
        "the baseline of spatial: Qwen2.5-VL-3B trained on the same data", recipe="spatial-no-geometry"
    ),
    "spatial-8b-no-geometry": Role(
        "the baseline of spatial-8b: Qwen2.5-VL-7B trained on the same data", "8B", "spatial-8b-no-geometry"
    ),
    "base": Role("Qwen2.5-VL-3B as it is, at the frames and resolution of spatial", weights=QWEN_3B),
    "base-8b": Role("Qwen2.5-VL-7B as it is, at the frames and resolution of spatial-8b", "8B", weights=QWEN_7B),
}


def train_command(name: str, *, data: str = "data") -> str:
    """Return the command that trains a role's model into `runs/NAME`; "" where nothing is trained."""
    role = ROLES[name]
    if not role.recipe:
        return ""
    settings = [word for setting in role.settings for word in ("--set", setting)]
    return shlex.join(["vgllm", "train", "--recipe", role.recipe, *settings, "--data", data, "--out", f"runs/{name}"])


def commands_of(name: str, *, data: str = "data", out: str = "runs/paper") -> tuple[str, ...]:
    """Return the commands that fill a role's rows: with published weights where there are some, else trained first."""
    weights = ROLES[name].weights
    model = weights or f"runs/{name}/model"
    asked = shlex.join(
        ["vgllm", "eval", "--suite", "paper", "--model", f"{name}={model}", "--data", data, "--out", out]
    )
    return (asked,) if weights else (train_command(name, data=data), asked)
