"""What a device can do: bytes of memory and products a second, from its maker's tables or measured."""

import time
from dataclasses import dataclass
from typing import Literal

import psutil
import torch

GB = 10**9

# Dense products (two operations each) of one second: bfloat16 on matrix units, float32 without TF32. Makers' tables.
_PEAKS: dict[str, tuple[float, float]] = {
    "H200": (989e12, 67e12),
    "H100": (989e12, 67e12),
    "H800": (989e12, 67e12),
    "A100": (312e12, 19.5e12),
    "A800": (312e12, 19.5e12),
    "L40S": (362e12, 91.6e12),
    "RTX 4090": (165e12, 82.6e12),
    "A6000": (155e12, 38.7e12),
}


@dataclass(frozen=True, slots=True)
class Hardware:
    """One device of a run.

    Attributes:
        name: for people.
        count: how many there are.
        memory: bytes of each; None where nobody knows.
        peak: operations a second in the run's precision; None where nobody knows.
        assumed: True where no device is here and the published runs' one is taken instead.
    """

    name: str
    count: int
    memory: int | None
    peak: float | None
    assumed: bool = False


def find_hardware(device: Literal["auto", "cuda", "cpu"], precision: Literal["bf16", "fp32"]) -> Hardware:
    """Return what this machine has; without a GPU, and unless the CPU is asked for, that of the published runs."""
    if device == "cpu":
        free = int(psutil.virtual_memory().available)
        return Hardware("this CPU", 1, free, _measured(torch.bfloat16 if precision == "bf16" else torch.float32))
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        peak = peak_of(properties.name, precision)
        return Hardware(properties.name, torch.cuda.device_count(), int(properties.total_memory), peak)
    return Hardware("H100", 8, 80 * GB, peak_of("H100", precision), assumed=True)


def peak_of(name: str, precision: Literal["bf16", "fp32"]) -> float | None:
    """Return operations a second of the GPU called `name`; None for one that is not in the table."""
    for known, peaks in _PEAKS.items():
        if known in name:
            return peaks[precision == "fp32"]
    return None


def _measured(dtype: torch.dtype, *, side: int = 512, seconds: float = 0.2) -> float:
    """Return operations a second of a product of two square matrices, tried for a moment."""
    a = torch.ones(side, side, dtype=dtype)
    a @ a  # the first one prepares kernels
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        a @ a
        count += 1
    return 2 * side**3 * count / (time.perf_counter() - started)
