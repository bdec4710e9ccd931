"""Find {...} literals anywhere in a text and read them as data: one pass, linear time, nothing is ever executed.

Accepted is JSON, and beside it what models write instead: single quotes, trailing commas, tuples, Python's names for
JSON's constants, NaN and Infinity, a leading plus. Arithmetic, calls and other names are not.

Objects are looked for from the outside in. One that holds the wanted key is taken whole; one without it is searched
for nested ones; one that cannot be read is skipped, and the search goes on inside it. A mistake fails every object
that is open at that point, while objects closed before it stand, so nothing needs to be read twice. The exception is
the string just before a mistake: where a quote is missing it may have swallowed a brace, so it is searched again.
"""

import re
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Value: TypeAlias = str | int | float | list["Value"] | dict[str, "Value"] | None

# No honest answer comes near these limits; they bound the work and memory that a looping or hostile text can cost.
MAX_DEPTH = 64
MAX_LENGTH = 64 * 1024  # characters of one object
MAX_DIGITS = 640  # int() takes this many under every setting of Python

_NAN, _INFINITY = float("nan"), float("inf")
_CONSTANTS: dict[str, Value] = {
    **{"true": True, "True": True, "false": False, "False": False, "null": None, "None": None},
    **dict.fromkeys(("NaN", "+NaN", "-NaN", "nan", "+nan", "-nan"), _NAN),
    **dict.fromkeys(("Infinity", "+Infinity", "inf", "+inf"), _INFINITY),
    **dict.fromkeys(("-Infinity", "-inf"), -_INFINITY),
}
_CLOSING = {"{": "}", "[": "]", "(": ")"}

# A match always exists, if need be of white space only. Strings end at a line break at the latest. Possessive
# quantifiers (*+) never step back, so that a missing quote costs one scan of the line and not one per character.
_TOKEN = re.compile(
    r"""\s*+(?:
      (?P<mark>[{}\[\](),:])
    | (?P<string>"[^"\\\r\n]*+(?:\\.[^"\\\r\n]*+)*+" | '[^'\\\r\n]*+(?:\\.[^'\\\r\n]*+)*+')
    | (?P<unclosed>"[^"\\\r\n]*+(?:\\.[^"\\\r\n]*+)*+\\?+ | '[^'\\\r\n]*+(?:\\.[^'\\\r\n]*+)*+\\?+)
    | (?P<number>[+-]?(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+)
    | (?P<name>[+-]?[A-Za-z_]\w*+)
    | [-+.]  # the start of a number that was cut off
    )?+""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(slots=True)
class Scan:
    """What `find_objects` found.

    Attributes:
        objects: every object that holds the wanted key, in the order of the text.
        cut_off: the text ends inside an object.
        exceeded: how many objects were given up because of MAX_DEPTH or MAX_LENGTH.
    """

    objects: list[dict[str, Value]] = field(default_factory=list)
    cut_off: bool = False
    exceeded: int = 0


@dataclass(slots=True)
class _Open:
    """An object, list or tuple whose end has not come yet."""

    start: int
    closing: str
    value: dict[str, Value] | list[Value]
    expects: Literal["key", "colon", "value", "comma"]
    found_before: int
    key: str = ""


def find_objects(text: str, wanted: str) -> Scan:
    """Return the objects of `text` that hold the key `wanted`. Never raises, whatever the text."""
    scan = Scan()
    stack: list[_Open] = []  # the outermost is always an object
    position = 0
    last_string: int | None = None  # where the previous token starts, if it is a string
    while True:
        if not stack:
            position = text.find("{", position)
            if position < 0:
                return scan
            stack.append(_open("{", position, scan))
            position += 1
            last_string = None
        token = _TOKEN.match(text, position)
        if token is None:  # the pattern matches everywhere; this is for the type checker
            return scan
        scan.exceeded += _give_up(stack, token.end())
        if stack and _accept(token, stack, scan, wanted):
            last_string = token.start("string") if token.lastgroup == "string" else None
            position = token.end()
        else:
            scan.cut_off |= token.end() == len(text)
            stack.clear()
            position = position if last_string is None else last_string + 1


def _open(mark: str, start: int, scan: Scan) -> _Open:
    if mark == "{":
        return _Open(start, "}", {}, "key", len(scan.objects))
    return _Open(start, _CLOSING[mark], [], "value", len(scan.objects))


def _give_up(stack: list[_Open], end: int) -> int:
    """Drop outermost objects until the rest keeps both limits; return how many were dropped."""
    dropped = 0
    while stack and (len(stack) > MAX_DEPTH or end - stack[0].start > MAX_LENGTH):
        dropped += 1
        del stack[0]
        while stack and stack[0].closing != "}":
            del stack[0]
    return dropped


def _accept(token: re.Match[str], stack: list[_Open], scan: Scan, wanted: str) -> bool:
    """Take the next token, or return False when it cannot stand here."""
    top, kind, text = stack[-1], token.lastgroup, token[0].lstrip()
    if kind == "mark":
        return _accept_mark(text, token.end() - 1, stack, scan, wanted)
    if top.expects == "key" and kind == "string":
        top.key, top.expects = _unescape(text), "colon"
        return True
    if top.expects != "value":
        return False
    if kind == "string":
        _store(top, _unescape(text))
    elif kind == "number" and len(text) <= MAX_DIGITS:
        _store(top, int(text) if text.lstrip("+-").isdecimal() else float(text))
    elif kind == "name" and text in _CONSTANTS:
        _store(top, _CONSTANTS[text])
    else:
        return False
    return True


def _accept_mark(mark: str, start: int, stack: list[_Open], scan: Scan, wanted: str) -> bool:
    top = stack[-1]
    is_object = isinstance(top.value, dict)
    if mark == top.closing and top.expects in (("key", "comma") if is_object else ("value", "comma")):
        _close(stack, scan, wanted)
    elif mark == "," and top.expects == "comma":
        top.expects = "key" if is_object else "value"
    elif mark == ":" and top.expects == "colon":
        top.expects = "value"
    elif mark in _CLOSING and top.expects == "value":
        stack.append(_open(mark, start, scan))
    else:
        return False
    return True


def _close(stack: list[_Open], scan: Scan, wanted: str) -> None:
    done = stack.pop()
    if isinstance(done.value, dict) and wanted in done.value:
        scan.objects[done.found_before :] = [done.value]  # taken whole: nothing inside it counts on its own
    if stack:
        _store(stack[-1], done.value)


def _store(container: _Open, value: Value) -> None:
    if isinstance(container.value, dict):
        container.value[container.key] = value
    else:
        container.value.append(value)
    container.expects = "comma"


def _unescape(quoted: str) -> str:
    inner = quoted[1:-1]
    if "\\" not in inner:
        return inner
    plain = _ESCAPE.sub(lambda match: _escaped(match[1]), inner)
    # JSON writes characters beyond 16 bits as two escapes; join them, and replace a half that stands alone.
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _escaped(code: str) -> str:
    return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPED.get(code, code)
