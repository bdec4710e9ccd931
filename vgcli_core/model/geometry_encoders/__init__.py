"""Geometry encoders: frames of one scene in, one token per patch out. To add one, write its file and one line here."""

from typing import ClassVar, Protocol, Self

from pydantic import BaseModel
from torch import Tensor

from vgcli_core.errors import lookup
from vgcli_core.model.geometry_encoders.none import NoGeometry
from vgcli_core.model.geometry_encoders.pi3 import Pi3
from vgcli_core.model.geometry_encoders.vggt import VGGT


class GeometryEncoder(Protocol):
    """What the model needs of an encoder; every one is a torch module too.

    Attributes:
        patch: side of a patch in pixels.
        dim: width of a token; 0 means that there is nothing to fuse.
        config: its sizes, saved with a checkpoint.
        has_reference_frame: whether the first frame is special, so that `reference_frame: last` reverses the order.
        unused_prefixes: names in published files that no feature depends on; they are counted and left out.
    """

    patch: int
    dim: int
    has_reference_frame: ClassVar[bool]
    unused_prefixes: ClassVar[tuple[str, ...]]

    @property
    def idle_prefixes(self) -> tuple[str, ...]:
        """Names of parameters that no feature depends on."""

    @property
    def config(self) -> BaseModel:
        """The sizes this encoder was built with."""

    @classmethod
    def from_sizes(cls, sizes: dict[str, object]) -> Self:
        """Build an encoder of these sizes; missing ones are the published ones, unknown ones are errors."""

    def __call__(self, frames: Tensor) -> Tensor:
        """Map [F, 3, H, W] in [0, 1] to tokens [F, h, w, dim], float32."""


GEOMETRY_ENCODERS = {
    "vggt": VGGT,
    "pi3": Pi3,
    "none": NoGeometry,
}


def get_geometry_encoder(name: str, *, where: str = "") -> type[VGGT] | type[Pi3] | type[NoGeometry]:
    """Return the encoder class called `name`, or raise UnknownName with the nearest one."""
    return lookup("geometry encoder", GEOMETRY_ENCODERS, name, where=where)
