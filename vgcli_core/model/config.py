"""What defines a model beyond its weights: saved beside them as `vgllm.json`, worked out for published folders.

The published folders say nothing of the encoder's sizes or of the meaning of box angles; our own file says both.
"""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vgcli_core.geometry.boxes import EulerConvention
from vgcli_core.text.prompts import PromptRevision

CONFIG_NAME = "vgllm.json"


class ModelConfig(BaseModel):
    """One model, complete but for the backbone's own config.json and the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    backbone: str = Field("qwen2_5_vl", description="a key of BACKBONES")
    geometry_encoder: str = Field("vggt", description="a key of GEOMETRY_ENCODERS; none is the plain backbone")
    geometry: dict[str, Any] = Field(default_factory=dict, description="sizes; the published ones where absent")
    fusion: str = Field("add", description="a key of FUSIONS")
    fusion_layers: int = Field(1, ge=1, description="of cross_attention")
    fusion_heads: int = Field(8, ge=1, description="of cross_attention")
    fusion_dropout: float = Field(0.1, ge=0, lt=1, description="of cross_attention, while training")
    merger: str = Field("mlp", description="a key of MERGERS")
    merger_hidden: int = Field(4096, gt=0)
    reference_frame: Literal["first", "last"] = "first"
    patch_positions: bool = Field(False, description="image tokens carry a code of their place")
    blind: bool = Field(False, description="image tokens are 0 whatever the frames: a control, to compare with")
    frame_width: int = Field(518, ge=28, description="width of the frames both encoders see, in pixels")
    num_frames: int | None = Field(None, gt=0, description="frames it was trained with, where they are always as many")
    horizontal_fov: float | None = Field(None, gt=0, lt=180, description="of its training frames, in degrees")
    euler_convention: EulerConvention | None = Field(None, description="of the angles in the model's answers")
    prompt_revision: PromptRevision | None = Field(None, description="wording of the box prompts it was trained on")
    conventions_from: str = Field("", description="who says so: the checkpoint, its layout, a known name, the user")
    untrained: bool = Field(False, description="True for random weights")

    @model_validator(mode="after")
    def _widths_are_whole_patches(self) -> Self:
        if self.frame_width % 14:
            raise ValueError(f"frame_width must be a multiple of 14, not {self.frame_width}")
        return self

    @model_validator(mode="after")
    def _the_blind_see_nothing(self) -> Self:
        if self.blind and (self.geometry_encoder != "none" or self.patch_positions):
            raise ValueError("blind is true, with a geometry encoder or a code of patch positions")
        return self
