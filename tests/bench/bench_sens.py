"""Decode every tenth colour frame of a `.sens` recording, beside decoding the same JPEGs from files of their own.

Both give RGB pixels through the same reader; the difference is opening the recording, stepping over the frames between,
and their depth. Rounds alternate, so that a busy machine slows both. The recording is in the cache of the file system.

    python tests/bench/bench_sens.py [--frames 20] [--width 1296] [--height 968] [--rounds 5]
"""

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from vgcli_core.data.raw.sens import SensFile
from vgcli_core.data.raw.sens_write import SensFrame, write_sens
from vgcli_core.media.images import read_image

EVERY = 10


def jpeg(size: tuple[int, int], seed: int) -> bytes:
    """Return a picture with smooth colours and some noise: about as many bytes as a frame of ScanNet."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 255, (12, 16, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), dtype=np.int16)
    pixels = np.clip(smooth + generator.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=75)
    return buffer.getvalue()


def write(folder: Path, size: tuple[int, int], frames: int) -> tuple[Path, list[Path]]:
    """Write a recording of `frames * EVERY` frames, and every tenth of them as a file."""
    pictures = [jpeg(size, seed) for seed in range(frames)]
    depth_size = (size[0] // 2, size[1] // 2)
    depth = np.random.default_rng(0).integers(500, 4000, depth_size[::-1]).astype(np.uint16)
    recording = folder / "scene0000_00.sens"
    write_sens(
        recording,
        np.eye(4),
        np.eye(4),
        (SensFrame(pictures[index // EVERY], depth, np.eye(4)) for index in range(frames * EVERY)),
        color_size=size,
        depth_size=depth_size,
    )
    files = []
    for number, picture in enumerate(pictures):
        files.append(folder / f"{number * EVERY:05d}.jpg")
        files[-1].write_bytes(picture)
    return recording, files


def from_recording(path: Path) -> int:
    """Decode every tenth frame of a recording; return how many pixels that were."""
    with SensFile(path) as sens:
        return sum(read_image(sens.color(index)).size for index in range(0, sens.header.num_frames, EVERY))


def from_files(paths: list[Path]) -> int:
    """Decode picture files; return how many pixels that were."""
    return sum(read_image(path).size for path in paths)


def seconds(work: Callable[[], int], pixels: int) -> float:
    """Return the seconds that `work` takes for `pixels` pixels."""
    started = time.perf_counter()
    found = work()
    taken = time.perf_counter() - started
    assert found == pixels
    return taken


def main() -> None:
    """Print frames per second both ways, their ratio, and depth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--width", type=int, default=1296)
    parser.add_argument("--height", type=int, default=968)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    size = (args.width, args.height)
    pixels = 3 * args.width * args.height * args.frames
    with tempfile.TemporaryDirectory() as folder:
        recording, files = write(Path(folder), size, args.frames)
        kilobytes = statistics.mean(path.stat().st_size for path in files) / 1e3
        print(f"{args.frames} of {args.frames * EVERY} frames of {size[0]}x{size[1]}, {kilobytes:.0f} kB each")
        rounds = [
            (seconds(lambda: from_recording(recording), pixels), seconds(lambda: from_files(files), pixels))
            for _ in range(args.rounds)
        ]
        with SensFile(recording) as sens:
            started = time.perf_counter()
            for index in range(args.frames):
                sens.depth(index * EVERY)
            depth = args.frames / (time.perf_counter() - started)
    ours, direct = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(files_seconds / recording_seconds for recording_seconds, files_seconds in rounds)
    print(
        f"recording {args.frames / ours:.1f} frames/s, files {args.frames / direct:.1f} frames/s, depth {depth:.1f}/s"
    )
    print(f"recording / files: frames/s ratio {ratio:.2f} (target: at least 0.8)")


if __name__ == "__main__":
    main()
