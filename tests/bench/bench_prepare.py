"""`prepare rooms`: rooms a second with 1 and with 2 processes, and the memory of one process over 10,000 samples.

Both runs of the first part make the same set, into two new folders; the files are compared. The second part builds room
after room in this process and reads its resident size as it goes: what grows with the number of samples would show.

    python tests/bench/bench_prepare.py [--rooms 24] [--samples 10000]
"""

import argparse
import gc
import hashlib
import tempfile
import time
from pathlib import Path

import psutil

from vgcli_core.data.base import Request
from vgcli_core.data.pool import build_units
from vgcli_core.data.prepare import make_plan, prepare
from vgcli_core.data.sources import get_dataset
from vgcli_core.data.unit_work import Settings
from vgcli_core.data.workplace import Workplace, job_of

ROOMS = get_dataset("rooms")


def request(rooms: int) -> Request:
    """Return a request for the first rooms of the split train."""
    options = {option.name: option.default for option in ROOMS.options}
    return Request(Path("raw"), ("train",), scenes=rooms, options=options)


def seconds(rooms: int, out: Path, workers: int) -> float:
    """Return the wall time of preparing rooms."""
    start = time.perf_counter()
    prepare(ROOMS, request(rooms), Settings(out), workers=workers)
    return time.perf_counter() - start


def digest(folder: Path) -> str:
    """Return one checksum of all files of a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    whole = hashlib.sha256()
    for path in files:
        whole.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return whole.hexdigest()


def resident() -> float:
    """Return this process's resident size in MiB."""
    gc.collect()
    return psutil.Process().memory_info().rss / 2**20


def memory(samples: int, out: Path) -> list[tuple[int, float]]:
    """Build rooms until there are as many samples; return samples and MiB at each tenth, the first one as the start."""
    asked = request(samples)
    plan = make_plan(ROOMS, asked)
    Workplace(out).claim(job_of(ROOMS, asked, plan, pack=False))
    built, points = 0, []
    for one in build_units(ROOMS.build, plan.units, asked, Settings(out), 1):
        built += one.samples
        if built >= samples * (len(points) + 1) / 10:
            points.append((built, resident()))
        if built >= samples:
            break
    return points


def main() -> None:
    """Print ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", type=int, default=24)
    parser.add_argument("--samples", type=int, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one, two = (seconds(arguments.rooms, folder / str(workers), workers) for workers in (1, 2))
        same = "equal" if digest(folder / "1") == digest(folder / "2") else "DIFFERENT"
        print(
            f"{arguments.rooms} rooms: {arguments.rooms / one:.2f} rooms/s with 1 process, {arguments.rooms / two:.2f} "
            f"with 2, ratio {one / two:.2f}; the files are {same}"
        )
        points = memory(arguments.samples, folder / "memory")
        (first, start), (last, end) = points[0], points[-1]
        print(
            f"memory: {start:.0f} MiB after {first:,} samples, {end:.0f} MiB after {last:,}, "
            f"at most {max(size for _, size in points):.0f}; ratio {end / start:.3f}"
        )


if __name__ == "__main__":
    main()
