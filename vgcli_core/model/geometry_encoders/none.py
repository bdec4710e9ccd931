"""No geometry: the plain backbone through the same code, so that the baseline is one word."""

from typing import Self

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn


class NoGeometryConfig(BaseModel):
    """Nothing to choose."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NoGeometry(nn.Module):
    """An encoder without parameters that returns tokens of width 0."""

    Config = NoGeometryConfig
    unused_prefixes = ()
    has_reference_frame = False
    idle_prefixes = ()
    patch = 14
    dim = 0

    def __init__(self) -> None:
        super().__init__()
        self.config = NoGeometryConfig()

    @classmethod
    def from_sizes(cls, sizes: dict[str, object]) -> Self:
        """Build from a dict of sizes, which must be empty."""
        NoGeometryConfig.model_validate(sizes)
        return cls()

    def forward(self, frames: Tensor) -> Tensor:
        """Return tokens [F, h, w, 0]."""
        count, _, height, width = frames.shape
        return frames.new_zeros(count, height // self.patch, width // self.patch, 0)
