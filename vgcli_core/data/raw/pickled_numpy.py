"""What a pickle may call: the functions behind pickled numpy arrays and plain containers, made from checked arguments.

numpy pickles an array as a call and its contents: `_reconstruct(ndarray, (0,), b"b")` and a state of version, shape,
dtype, order and bytes; since protocol 5 also as `_frombuffer(bytes, dtype, shape, order)`. A dtype is a call with a
code ("f8") and a state with the byte order. numpy 1 names the modules `numpy.core`, numpy 2 `numpy._core`.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

# Booleans, integers, floats, complex numbers, bytes and text. Objects (O), records (V) and dates are refused.
_CODE = re.compile(r"(b1|[iu][1248]|f[248]|c8|c16|[SU][1-9][0-9]{0,5})")
_MOST_DIMENSIONS = 32


class Refused(Exception):
    """Something that no pickle of data has; the message goes on after "the pickle"."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name that the pickle mentions; it stands for nothing outside the table of constructors."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


def described(value: Any) -> str:
    """Say what a value is, in few words and little time: the text of a nested value could be endless."""
    if isinstance(value, str):
        return repr(value[:40])
    if isinstance(value, tuple) and all(type(item) is int for item in value[:8]):
        return repr(value[:8])
    return str(value) if isinstance(value, Name) else f"a value of the type {type(value).__name__}"


class Builds:
    """A value that still waits for its contents."""

    __slots__ = ()

    def build(self, state: Any) -> Any:
        """Return the value with its contents."""
        raise Refused(f"sets the state of a {type(self).__name__}: {type(state).__name__}")


@dataclass(frozen=True, slots=True, eq=False)
class Kind(Builds):
    """A dtype: numpy's code without the byte order, and the order."""

    code: str
    order: str = "="

    def build(self, state: Any) -> "Kind":
        """Take over the byte order; fields and subarrays are refused."""
        _, order, subarray, names, fields, *_rest = state
        if order not in ("<", ">", "|", "=") or subarray is not None or names is not None or fields is not None:
            raise Refused(f"has an array of records or of the byte order {described(order)}")
        return Kind(self.code, order)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of numpy."""
        return np.dtype(self.code).newbyteorder("=" if self.order == "|" else self.order)  # type: ignore[arg-type]


class EmptyArray(Builds):
    """An array that waits for its contents."""

    __slots__ = ()

    def build(self, state: Any) -> Any:
        """Return the array of a state (version, shape, dtype, Fortran order, bytes)."""
        _, shape, kind, fortran, raw = state
        return array(raw, kind, shape, "F" if fortran else "C")


def array(raw: Any, kind: Any, shape: Any, order: Any = "C", axes: Any = None) -> Any:
    """Return an array on the bytes `raw`, without a copy.

    Args:
        raw: bytes, or the same as latin-1 text.
        kind: its dtype.
        shape: tuple of sizes.
        order: "C", "F", or "K" for an array whose axes were `axes` before it was stored in C order.
        axes: for "K".
    """
    dtype = _dtype(kind)
    if isinstance(shape, int) and not isinstance(shape, bool):
        shape = (shape,)
    if not isinstance(shape, tuple) or len(shape) > _MOST_DIMENSIONS or not all(type(n) is int for n in shape):
        raise Refused(f"has an array of the shape {described(shape)}")
    if min(shape, default=0) < 0:
        raise Refused(f"has an array of the shape {described(shape)}")
    if isinstance(raw, str):
        raw = raw.encode("latin-1")
    if not isinstance(raw, bytes):
        raise Refused(f"has an array made of a {type(raw).__name__}")
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise Refused(f"has an array of {described(shape)} {dtype} in {len(raw):,} bytes")
    made = np.ndarray(shape, dtype, buffer=raw, order=_order(order))
    return made if axes is None else made.transpose(axes)


def _order(order: Any) -> Literal["C", "F"]:
    if order not in ("C", "F", "K"):
        raise Refused(f"has an array of the order {described(order)}")
    return "F" if order == "F" else "C"


def _dtype(kind: Any) -> np.dtype[Any]:
    if not isinstance(kind, Kind):
        raise Refused(f"has an array whose dtype is a {type(kind).__name__}")
    return kind.dtype


def _kind(code: Any, *_flags: Any) -> Kind:
    if isinstance(code, str) and code.startswith("O"):
        raise Refused("has an array of Python objects")
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise Refused(f"has an array of the dtype {described(code)}")
    return Kind(code)


def _reconstruct(kind: Any, _shape: Any, _code: Any) -> EmptyArray:
    if kind != Name("numpy", "ndarray"):
        raise Refused(f"makes an array of another kind: {described(kind)}")
    return EmptyArray()


def _scalar(kind: Any, raw: Any) -> Any:
    return array(raw, kind, ())[()]


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Refused(f"encodes text as {described(encoding)}")
    return text.encode("latin-1")


def _bytes(value: Any = b"", *encoding: Any) -> bytes:
    if isinstance(value, str):
        return _encode(value, *encoding)
    if not isinstance(value, bytes):
        raise Refused(f"makes bytes of a {type(value).__name__}")
    return value


def _items(make: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    def build(items: Any = ()) -> Any:
        if not isinstance(items, list | tuple) or not all(
            isinstance(item, str | int | float | bytes) for item in items
        ):
            raise Refused("has a set of something else than text and numbers")
        return make(list(items))

    return build


def _ordered(*items: Any) -> dict[Any, Any]:
    if items:
        raise Refused("fills an OrderedDict in one call")
    return {}


def _never(*_arguments: Any) -> Any:
    raise Refused("calls numpy.ndarray itself")


CONSTRUCTORS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _never,
    ("numpy", "dtype"): _kind,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): array for core in ("core", "_core")},
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): _ordered,
    **{(module, "set"): _items(set) for module in ("builtins", "__builtin__")},
    **{(module, "frozenset"): _items(frozenset) for module in ("builtins", "__builtin__")},
    **{(module, kind): _bytes for module in ("builtins", "__builtin__") for kind in ("bytes", "bytearray")},
}
