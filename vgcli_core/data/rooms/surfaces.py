"""What each face of each part looks like, as tables that a picture is looked up in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vgcli_core.data.rooms.raster import Singles
from vgcli_core.data.rooms.scene import Part
from vgcli_core.data.rooms.textures import ONE, SIDE, TEXTURES, atlas
from vgcli_core.errors import lookup
from vgcli_core.geometry.boxes import Floats

FACES = 6  # of a part: -x, +x, -y, +y, -z, +z along its own axes
_SIDEWAYS, _UPWARDS = (1, 1, 0, 0, 0, 0), (2, 2, 2, 2, 1, 1)  # the box axes along a face's u and v


@dataclass(frozen=True)
class Surfaces:
    """Tables of P parts and their 6 P faces; the face of part p on side s is 6 p + s.

    Attributes:
        parts: [8, P] middle x, y, z; half edges x, y, z; cosine and sine of the yaw.
        faces: [8, 6 P] normal x, y, z; texels for a metre along u and v; texel at the face's middle in u and v; glow.
        colours: [3, 6 P] linear RGB for a texel of 1, not of ONE.
        tiles: [6 P] where the texture starts in the atlas.
    """

    parts: Singles
    faces: Singles
    colours: Singles
    tiles: NDArray[np.int32]


def surfaces(parts: Sequence[Part]) -> Surfaces:
    """Prepare the tables of parts. Raises UnknownName for a texture that does not exist."""
    boxes = np.stack([part.box for part in parts])
    cos, sin = np.cos(boxes[:, 6]), np.sin(boxes[:, 6])
    table = np.stack([*boxes[:, :3].T, *(boxes[:, 3:6] / 2).T, cos, sin])
    faces = np.zeros((8, len(parts), FACES))
    faces[0, :, 0], faces[0, :, 1], faces[0, :, 2], faces[0, :, 3] = -cos, cos, sin, -sin
    faces[1, :, 0], faces[1, :, 1], faces[1, :, 2], faces[1, :, 3] = -sin, sin, -cos, cos
    faces[2, :, 4], faces[2, :, 5] = -1, 1
    colours = np.zeros((3, len(parts), FACES))
    tiles = np.zeros((len(parts), FACES), np.int32)
    for p, part in enumerate(parts):
        colours[:, p] = np.array(part.colour)[:, None] / ONE
        faces[3:, p], tiles[p] = _texturing(part, boxes[p])
    # A turned cube of normals is as good in float32, and the picture is worked out in it.
    return Surfaces(
        table.astype(np.float32),
        faces.reshape(8, -1).astype(np.float32),
        colours.reshape(3, -1).astype(np.float32),
        tiles.reshape(-1),
    )


def _texturing(part: Part, box: Floats) -> tuple[Floats, NDArray[np.int32]]:
    """Return the last five rows of `Surfaces.faces` for one part, and where its faces' tiles start."""
    texture = lookup("texture", TEXTURES, part.texture, where="a part of a room")
    first = atlas().first[part.texture]
    variant = part.pattern % texture.variants
    edges = box[3:6]
    across, up = edges[list(_SIDEWAYS)], edges[list(_UPWARDS)]
    values = np.zeros((5, FACES))
    tiles = np.full(FACES, first[variant], np.int32)
    if texture.fitted:
        values[0], values[1] = SIDE / across, -SIDE / up
        values[2] = values[3] = SIDE / 2
    else:
        values[0], values[1] = SIDE, -SIDE
        values[2], values[3] = (37 * part.pattern) % SIDE, (61 * part.pattern) % SIDE
        if texture.turns:
            tiles[up > across] = first[variant + texture.variants]
    values[4] = texture.glow
    return values, tiles
