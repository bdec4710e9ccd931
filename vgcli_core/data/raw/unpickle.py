"""Pickles read as data: numpy arrays and plain containers. Nothing that a pickle names is imported or called.

A pickle is a program for a small stack machine. This is such a machine that knows the instructions of protocols 2 to 5
which build data. Where a pickle names something to call, the name is looked up in a closed table
(`pickled_numpy.CONSTRUCTORS`): the functions there look at their arguments and make an array, a scalar, a set or bytes.
Every other name is refused before anything happens, so there is no code to smuggle in.

Costs are bounded by the size of the file: every declared length is compared with what is left, the memo grows by one
entry at a time, and there is a limit to the number of containers for each byte (`_BYTES_OF_A_CONTAINER`).

Strings of Python 2 are read as latin-1, as is usual for arrays that were pickled there.
"""

import gc
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vgcli_core.data.raw.pickled_numpy import CONSTRUCTORS, Builds, Name, Refused
from vgcli_core.data.raw.reading import reading
from vgcli_core.errors import DataError

Constructors = Mapping[tuple[str, str], Callable[..., Any]]

_LARGEST_FILE = 1 << 34
_LONGEST_INTEGER = 64  # bytes
# An empty list takes one byte of a pickle and 56 of memory; real files have a container for each 10 bytes at most.
_BYTES_OF_A_CONTAINER = 4
_FREE_CONTAINERS = 4096
_MEMO_GAP = 16  # Python 2 counts memo entries from 1
_BUILD_WITHIN = 64  # memo entries between an array and its contents
_KEYS = (str, int, float, bytes, type(None))
_DAMAGED = (IndexError, ValueError, TypeError, KeyError, AttributeError, struct.error, OverflowError, MemoryError)
_FIX = "use the file as its owner distributes it; a pickle with anything else in it can run programs and is not read"


def load_pickle(path: Path) -> Any:
    """Return what is in a pickle: None, numbers, text, bytes, lists, tuples, dicts, sets, numpy arrays and scalars.

    Arrays are read-only.

    Raises:
        DataError: missing, cut off, another protocol, or anything else inside; the message names what was found.
    """
    with reading(path):
        if path.stat().st_size > _LARGEST_FILE:
            raise DataError(f"{path.name} has more than {_LARGEST_FILE:,} bytes", where=str(path), fix=_FIX)
        data = path.read_bytes()
    return unpickle(data, where=str(path))


def unpickle(
    data: bytes,
    *,
    where: str = "",
    constructors: Constructors = CONSTRUCTORS,
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """Return what the pickle `data` holds; bytes after its end are not looked at.

    Args:
        data: the whole pickle.
        where: for messages.
        constructors: what the pickle may call, by module and name.
        persistent: resolves references to data outside the pickle; None where there is none.

    Raises:
        DataError: see `load_pickle`.
    """
    if len(data) < 2 or data[0] != 0x80 or not 2 <= data[1] <= 5:
        raise DataError("not a pickle of protocol 2 to 5", where=where, fix=_FIX)
    machine = _Machine(data, constructors, persistent)
    # Millions of new containers, none of them garbage: looking for cycles among them takes a third of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        return machine.run()
    except Refused as error:
        raise DataError(f"the pickle {error}", where=f"{where}, byte {machine.at}", fix=_FIX) from error
    except _DAMAGED as error:
        what = f"the pickle is damaged or cut off ({type(error).__name__})"
        raise DataError(what, where=f"{where}, byte {machine.at}", fix="copy or download it again") from error
    finally:
        if collects:
            gc.enable()


class _Machine:
    """The state while a pickle is read: a stack of values, saved stacks of open containers, and the memo."""

    __slots__ = ("at", "constructors", "containers", "data", "memo", "persistent", "saved", "stack")

    def __init__(self, data: bytes, constructors: Constructors, persistent: Callable[[Any], Any] | None) -> None:
        self.data = data
        self.constructors = constructors
        self.persistent = persistent
        self.at = 0
        self.stack: list[Any] = []
        self.saved: list[list[Any]] = []
        self.memo: list[Any] = []
        self.containers = _FREE_CONTAINERS + len(data) // _BYTES_OF_A_CONTAINER

    def run(self) -> Any:
        data, handlers = self.data, _HANDLERS
        while True:
            code = data[self.at]
            self.at += 1
            if code == _STOP:
                if len(self.stack) != 1 or self.saved:
                    raise Refused("ends with values left over")
                return finished(self.stack[0])
            handler = handlers[code]
            if handler is None:
                raise Refused(f"uses the instruction {code:#04x} ({_REFUSED.get(code, 'unknown')})")
            handler(self)

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        end = self.at + count
        if end > len(self.data):
            raise Refused(f"is cut off: {count:,} bytes are due and {len(self.data) - self.at:,} left")
        found = self.data[self.at : end]
        self.at = end
        return found

    def number(self, width: int) -> int:
        """Return the next `width` bytes as an unsigned integer."""
        return int.from_bytes(self.take(width), "little")

    def line(self) -> str:
        """Return the text up to the next line end."""
        end = self.data.index(b"\n", self.at)
        return self.take(end - self.at + 1)[:-1].decode("utf-8")

    def items(self) -> list[Any]:
        """Close the open container and return what was put into it."""
        items = self.stack
        self.stack = self.saved.pop()
        return items

    def container(self, value: Any) -> None:
        """Push a new container."""
        self.containers -= 1
        if self.containers < 0:
            raise Refused("has far more containers than data")
        self.stack.append(value)

    def remember(self, index: int) -> None:
        """Put the top of the stack into the memo."""
        memo = self.memo
        if index == len(memo):
            memo.append(self.stack[-1])
            return
        if index > len(memo) + _MEMO_GAP:
            raise Refused(f"numbers a memo entry {index:,} where {len(memo):,} is the next")
        memo.extend([None] * (index + 1 - len(memo)))
        memo[index] = self.stack[-1]

    def name(self, module: str, name: str) -> None:
        """Push a name of the closed table, or refuse it."""
        if (module, name) not in self.constructors:
            raise Refused(f"names {module}.{name}, which is neither numpy's nor a plain container")
        self.stack.append(Name(module, name))


def finished(value: Any) -> Any:
    """Return `value`; refuse a name or an array without contents."""
    if isinstance(value, Name | Builds):
        raise Refused("ends in the middle of something")
    return value


def _counted(width: int, make: Callable[[bytes], Any]) -> Callable[[_Machine], None]:
    def read(machine: _Machine) -> None:
        machine.stack.append(make(machine.take(machine.number(width))))

    return read


def _fixed(layout: str) -> Callable[[_Machine], None]:
    form = struct.Struct(layout)

    def read(machine: _Machine) -> None:
        (value,) = form.unpack_from(machine.data, machine.at)
        machine.at += form.size
        machine.stack.append(value)

    return read


def _constant(value: Any) -> Callable[[_Machine], None]:
    def push(machine: _Machine) -> None:
        machine.stack.append(value)

    return push


def _small_int(machine: _Machine) -> None:
    machine.stack.append(machine.data[machine.at])
    machine.at += 1


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _latin(data: bytes) -> str:
    return data.decode("latin-1")


def _integer(data: bytes) -> int:
    if len(data) > _LONGEST_INTEGER:
        raise Refused(f"has an integer of {len(data):,} bytes")
    return int.from_bytes(data, "little", signed=True)


def _written_int(machine: _Machine) -> None:
    line = machine.line()
    if len(line) > _LONGEST_INTEGER:
        raise Refused(f"has an integer of {len(line):,} digits")
    machine.stack.append({"00": False, "01": True}[line] if line in ("00", "01") else int(line))


def _get(machine: _Machine) -> None:
    machine.stack.append(machine.memo[machine.data[machine.at]])
    machine.at += 1


def _long_get(machine: _Machine) -> None:
    machine.stack.append(machine.memo[machine.number(4)])


def _put(machine: _Machine) -> None:
    machine.remember(machine.number(1))


def _long_put(machine: _Machine) -> None:
    machine.remember(machine.number(4))


def _memoize(machine: _Machine) -> None:
    machine.memo.append(machine.stack[-1])


def _mark(machine: _Machine) -> None:
    machine.saved.append(machine.stack)
    machine.stack = []


def _list(machine: _Machine) -> None:
    machine.container([])


def _dict(machine: _Machine) -> None:
    machine.container({})


def _set(machine: _Machine) -> None:
    machine.container(set())


def _tuple(machine: _Machine) -> None:
    items = machine.items()
    machine.container(tuple(items))


def _tuple_of(count: int) -> Callable[[_Machine], None]:
    def build(machine: _Machine) -> None:
        stack = machine.stack
        if len(stack) < count:
            raise IndexError
        items = tuple(stack[-count:])
        del stack[-count:]
        machine.container(items)

    return build


def _append(machine: _Machine) -> None:
    value = machine.stack.pop()
    _of(machine, list).append(value)


def _appends(machine: _Machine) -> None:
    items = machine.items()
    _of(machine, list).extend(items)


def _set_item(machine: _Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _of(machine, dict)[_key(key)] = value


def _set_items(machine: _Machine) -> None:
    items = machine.items()
    target = _of(machine, dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[key if type(key) is str else _key(key)] = value


def _add_items(machine: _Machine) -> None:
    items = machine.items()
    _of(machine, set).update([_key(item) for item in items])


def _frozen_set(machine: _Machine) -> None:
    items = machine.items()
    machine.container(frozenset([_key(item) for item in items]))


def _global(machine: _Machine) -> None:
    module = machine.line()
    machine.name(module, machine.line())


def _stack_global(machine: _Machine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if not (isinstance(name, str) and isinstance(module, str)):
        raise Refused("names something without text")
    machine.name(module, name)


def _call(machine: _Machine) -> None:
    """Make what a name of the table stands for. Names as arguments are for the table's functions alone."""
    arguments, name = machine.stack.pop(), machine.stack.pop()
    if not isinstance(name, Name) or not isinstance(arguments, tuple):
        raise Refused(f"calls a {type(name).__name__}")
    machine.container(machine.constructors[name.module, name.name](*arguments))


def _build(machine: _Machine) -> None:
    """Give an array or a dtype its contents, and put what comes out wherever the memo has the empty one."""
    state = machine.stack.pop()
    target = machine.stack[-1]
    if not isinstance(target, Builds):
        raise Refused(f"sets the state of a {type(target).__name__}")
    built = target.build(state)
    machine.stack[-1] = built
    memo = machine.memo
    for index in range(len(memo) - 1, max(-1, len(memo) - 1 - _BUILD_WITHIN), -1):
        if memo[index] is target:
            memo[index] = built
            return


def _persistent(machine: _Machine) -> None:
    if machine.persistent is None:
        raise Refused("refers to data outside itself")
    machine.stack.append(machine.persistent(machine.stack.pop()))


def _pop(machine: _Machine) -> None:
    machine.stack.pop()


def _skip_frame(machine: _Machine) -> None:
    machine.number(8)


def _protocol(machine: _Machine) -> None:
    machine.at += 1


def _of(machine: _Machine, kind: type) -> Any:
    """Return the top of the stack, which has to be of exactly one type."""
    target = machine.stack[-1]
    if type(target) is not kind:
        raise Refused(f"fills a {type(target).__name__} as if it were a {kind.__name__}")
    return target


def _key(value: Any) -> Any:
    """Return a key; nested tuples are refused, since their hash can take for ever."""
    if isinstance(value, tuple) and all(isinstance(item, _KEYS) for item in value):
        return value
    if not isinstance(value, _KEYS):
        raise Refused(f"has a {type(value).__name__} as a key")
    return value


_STOP = 0x2E
_TABLE: dict[int, Callable[[_Machine], None]] = {
    **{0x80: _protocol, 0x95: _skip_frame, 0x30: _pop, 0x28: _mark},
    **{0x4E: _constant(None), 0x88: _constant(True), 0x89: _constant(False), 0x29: _constant(())},
    **{0x4A: _fixed("<i"), 0x4B: _small_int, 0x4D: _fixed("<H"), 0x47: _fixed(">d"), 0x49: _written_int},
    **{0x8A: _counted(1, _integer), 0x8B: _counted(4, _integer)},
    **{0x8C: _counted(1, _text), 0x58: _counted(4, _text), 0x8D: _counted(8, _text)},
    **{0x43: _counted(1, bytes), 0x42: _counted(4, bytes), 0x8E: _counted(8, bytes), 0x96: _counted(8, bytes)},
    **{0x55: _counted(1, _latin), 0x54: _counted(4, _latin)},
    **{0x5D: _list, 0x7D: _dict, 0x8F: _set, 0x61: _append, 0x65: _appends, 0x73: _set_item, 0x75: _set_items},
    **{0x90: _add_items, 0x91: _frozen_set, 0x74: _tuple, 0x85: _tuple_of(1), 0x86: _tuple_of(2), 0x87: _tuple_of(3)},
    **{0x68: _get, 0x6A: _long_get, 0x71: _put, 0x72: _long_put, 0x94: _memoize},
    **{0x63: _global, 0x93: _stack_global, 0x52: _call, 0x62: _build, 0x51: _persistent},
}
_HANDLERS = [_TABLE.get(code) for code in range(256)]
# Instructions of the same protocols that make objects, or copies: no data needs them.
_REFUSED = {
    **{0x81: "NEWOBJ", 0x92: "NEWOBJ_EX", 0x69: "INST", 0x6F: "OBJ", 0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4"},
    **{0x50: "PERSID", 0x32: "DUP", 0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER"},
}
