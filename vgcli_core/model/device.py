"""Where a model runs and in which precision: choices made once, checked against the memory there is."""

from dataclasses import dataclass
from importlib.util import find_spec

import psutil
import torch

from vgcli_core.errors import ResourceError, UsageError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
ATTENTIONS = {"sdpa": "sdpa", "flash": "flash_attention_2", "eager": "eager"}

# How transformers spreads a backbone over devices.
DEVICE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")

# Above this, float32 on a CPU takes more memory than most laptops have.
_LARGE = 1_000_000_000
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Placement:
    """A device, a dtype, and transformers' name of the attention backend; `device_map` where the model is split."""

    device: torch.device
    dtype: torch.dtype
    attention: str
    device_map: str | None = None


def choose_placement(
    *, device: str, dtype: str, attention: str, parameters: int, saved_dtype: str, device_map: str | None = None
) -> Placement:
    """Turn a user's wishes, `auto` included, into a placement.

    auto device: CUDA, else MPS, else CPU. auto dtype: as saved on an accelerator; on a CPU float32 up to a billion
    parameters, else as saved. auto attention: flash-attn where it is installed and can run, else torch's own (sdpa).

    Raises:
        ResourceError: the device is not there or its memory is too small for the weights alone.
        UsageError: a name that is not known.
    """
    if device_map is not None and device_map not in DEVICE_MAPS:
        raise UsageError(f"unknown device map {device_map!r}", where="--device-map", fix=", ".join(DEVICE_MAPS))
    where = _device(device)
    precision = _dtype(dtype, where, parameters, saved_dtype)
    _check_memory(where, precision, parameters, split=device_map is not None)
    return Placement(where, precision, choose_attention(attention, where, precision), device_map)


def _device(name: str) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"unknown device {name!r}", where="--device", fix="auto, cpu, cuda, cuda:1 or mps") from error
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }.get(device.type, False)
    if not there:
        raise ResourceError(
            f"this machine has no device {name!r} that torch {torch.__version__} can use",
            where="--device",
            fix="use --device auto or cpu, or install a torch build for that device",
        )
    return device


def _dtype(name: str, device: torch.device, parameters: int, saved: str) -> torch.dtype:
    if name != "auto":
        if name not in DTYPES:
            raise UsageError(f"unknown dtype {name!r}", where="--dtype", fix=f"auto, {', '.join(DTYPES)}")
        return DTYPES[name]
    if device.type == "cpu" and parameters <= _LARGE:
        return torch.float32
    return DTYPES.get(saved, torch.bfloat16)


def choose_attention(name: str, device: torch.device, dtype: torch.dtype) -> str:
    """Return transformers' name of an attention backend, `auto` included. Raises UsageError, ResourceError."""
    installed = find_spec("flash_attn") is not None
    usable = installed and device.type == "cuda" and dtype != torch.float32
    if name == "auto":
        return ATTENTIONS["flash" if usable else "sdpa"]
    if name not in ATTENTIONS:
        raise UsageError(f"unknown attention {name!r}", where="--attention", fix=f"auto, {', '.join(ATTENTIONS)}")
    if name == "flash" and not usable:
        reason = "flash-attn is not installed" if not installed else "flash-attn needs CUDA and a 16-bit dtype"
        raise ResourceError(reason, where="--attention flash", fix="pip install 'vgllm[flash]', or --attention sdpa")
    return ATTENTIONS[name]


def _check_memory(device: torch.device, dtype: torch.dtype, parameters: int, *, split: bool) -> None:
    """Refuse at once what cannot fit: the weights alone. What frames take on top is not known here."""
    need = parameters * dtype.itemsize
    if device.type == "cuda":
        devices = range(torch.cuda.device_count()) if split else [device.index or 0]
        free = sum(torch.cuda.mem_get_info(index)[0] for index in devices)
    else:
        free = psutil.virtual_memory().available
    if need > free:
        raise ResourceError(
            f"the weights need {need / _GIB:.1f} GiB as {str(dtype).removeprefix('torch.')}, "
            f"{free / _GIB:.1f} GiB are free",
            where=f"device {device}",
            fix="use --dtype bfloat16, --device-map auto over several devices, or a machine with more memory",
        )
