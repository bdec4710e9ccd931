"""Tiny clips whose frames carry their own number, so that a test proves which frames came back."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

BITS = 8


def numbered(number: int, width: int = 96, height: int = 64) -> np.ndarray:
    """A picture [H, W, 3]: eight black or white blocks on top (bit 0 left), red below left and blue below right."""
    image = np.full((height, width, 3), 128, dtype=np.uint8)
    for bit in range(BITS):
        image[: height // 4, bit * width // BITS : (bit + 1) * width // BITS] = 255 * (number >> bit & 1)
    image[height // 2 :, : width // 2] = (220, 30, 30)
    image[height // 2 :, width // 2 :] = (30, 30, 220)
    return image


def read_number(image: np.ndarray) -> int:
    """The number in an upright picture of `numbered`; fails when the colours below are not upright too."""
    height, width = image.shape[:2]
    left, right = image[-height // 4, width // 4].astype(int), image[-height // 4, -width // 4].astype(int)
    assert left[0] > left[2] + 100, "red is not below left"
    assert right[2] > right[0] + 100, "blue is not below right"
    rows = slice(1, height // 4 - 1)
    blocks = [image[rows, b * width // BITS + 2 : (b + 1) * width // BITS - 2].mean() for b in range(BITS)]
    return sum(1 << bit for bit, level in enumerate(blocks) if level > 127)


def encode(
    path: Path,
    count: int = 60,
    *,
    codec: str = "libx264",
    size: tuple[int, int] = (96, 64),
    gop: int = 12,
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    ticks: list[int] | None = None,
    tick: Fraction = Fraction(1, 25),
    movflags: str = "",
) -> Path:
    """Write `count` numbered frames at 25 per second, or at `ticks`."""
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no encoder {codec}")
    with av.open(str(path), "w", options={"movflags": movflags} if movflags else {}) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        stream.options = options or {}
        stream.codec_context.gop_size = gop
        stream.codec_context.time_base = tick
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(numbered(number, *size), format="rgb24")
            frame.pts = ticks[number] if ticks else number
            frame.time_base = tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def clip() -> Callable[..., Path]:
    return encode


@pytest.fixture(scope="session")
def picture() -> Callable[..., np.ndarray]:
    return numbered


@pytest.fixture(scope="session")
def numbers() -> Callable[..., list[int]]:
    """Read the numbers of all frames of a result."""
    return lambda frames: [read_number(image) for image in frames.images]


@pytest.fixture(params=["decord", "pyav"])
def decoder(request: pytest.FixtureRequest) -> str:
    """Each decoder in turn; decord only where it can be had."""
    if request.param == "decord":
        pytest.importorskip("decord", reason="decord has no wheel for this platform")
    return str(request.param)
