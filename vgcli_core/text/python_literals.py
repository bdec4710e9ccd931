"""Read a text that is one Python dictionary and nothing else, as data: one pass, linear time, never executed.

The published evaluation evaluated each line of an answer as Python code. This is the part of that which harms nobody:
strings, numbers, True, False, None, lists, tuples and dictionaries, with Python's own rules (no NaN, true or null; no
leading zeros; a tuple is no list). Left out with everything that computes are also joined strings, string prefixes,
underscores in numbers, sets and keys that are no strings: no model was seen to write them.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from vgcli_core.text.literals import MAX_DEPTH, MAX_DIGITS, MAX_LENGTH

PyValue: TypeAlias = str | int | float | list["PyValue"] | tuple["PyValue", ...] | dict[str, "PyValue"] | None

_CONSTANTS: dict[str, PyValue] = {"True": True, "False": False, "None": None}

_TOKEN = re.compile(
    r"""(?:[ \t\f\r\n]++|\#[^\n]*+)*+(?:
      (?P<mark>[{}\[\](),:])
    | (?P<string>"[^"\\\r\n]*+(?:\\.[^"\\\r\n]*+)*+" | '[^'\\\r\n]*+(?:\\.[^'\\\r\n]*+)*+')
    | (?P<float>[+-]?(?:(?:[0-9]++\.[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+|[0-9]++[eE][+-]?[0-9]++))
    | (?P<int>[+-]?(?:0++|[1-9][0-9]*+))
    | (?P<name>[A-Za-z]++)
    | (?P<end>\Z)
    | (?P<other>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {
    **{"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "a": "\a", "v": "\v"},
    **{"\\": "\\", "'": "'", '"': '"'},
}


class _NotALiteral(Exception):
    pass


class _Token(NamedTuple):
    kind: str
    text: str


def read_python_dictionary(text: str) -> dict[str, PyValue] | None:
    """Return the dictionary that `text` is, or None if it is anything else, too long or too deep. Never raises."""
    if len(text) > MAX_LENGTH:
        return None
    tokens = _tokens(text)
    try:
        value = _value(next(tokens), tokens, 0)
        whole = next(tokens).kind == "end"
    except _NotALiteral:
        return None
    return value if whole and isinstance(value, dict) else None


def _tokens(text: str) -> Iterator[_Token]:
    """Yield the tokens of `text`, the last of them of kind "end" or "other"; "other" can stand nowhere."""
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "other"
        yield _Token(kind, match[kind])
    yield _Token("other", "")


def _value(token: _Token, tokens: Iterator[_Token], depth: int) -> PyValue:
    """Return the value that begins with `token`."""
    kind, text = token
    if kind == "mark" and depth < MAX_DEPTH:
        return _container(text, tokens, depth + 1)
    if kind == "string":
        return _unescape(text[1:-1])
    if kind == "float":
        return float(text)
    if kind == "int" and len(text) <= MAX_DIGITS:
        return int(text)
    if kind == "name" and text in _CONSTANTS:
        return _CONSTANTS[text]
    raise _NotALiteral


def _container(mark: str, tokens: Iterator[_Token], depth: int) -> PyValue:
    if mark == "{":
        return _dictionary(tokens, depth)
    if mark == "[":
        return _items("]", tokens, depth)[0]
    if mark == "(":
        items, comma = _items(")", tokens, depth)
        return tuple(items) if comma or not items else items[0]
    raise _NotALiteral


def _items(closing: str, tokens: Iterator[_Token], depth: int) -> tuple[list[PyValue], bool]:
    """Return the items up to the closing mark, and whether a comma follows the first."""
    items: list[PyValue] = []
    comma = False
    token = next(tokens)
    while token.text != closing:
        items.append(_value(token, tokens, depth))
        token = next(tokens)
        if token.text == ",":
            comma = True
            token = next(tokens)
        elif token.text != closing:
            raise _NotALiteral
    return items, comma


def _dictionary(tokens: Iterator[_Token], depth: int) -> dict[str, PyValue]:
    items: dict[str, PyValue] = {}
    token = next(tokens)
    while token.text != "}":
        key = _value(token, tokens, depth)
        if not isinstance(key, str) or next(tokens).text != ":":
            raise _NotALiteral
        items[key] = _value(next(tokens), tokens, depth)
        token = next(tokens)
        if token.text == ",":
            token = next(tokens)
        elif token.text != "}":
            raise _NotALiteral
    return items


def _unescape(inner: str) -> str:
    return _ESCAPE.sub(lambda match: _escaped(match[1]), inner) if "\\" in inner else inner


def _escaped(code: str) -> str:
    if code[0] in "xuUN" and (len(code) == 1 or int(code[1:], 16) > 0x10FFFF):
        raise _NotALiteral  # Python refuses it too; \N{...}, which it takes, is left out
    if code[0] in "xuU":
        return chr(int(code[1:], 16))
    if code[0] in "01234567":
        return chr(int(code, 8))
    return _ESCAPED.get(code, "\\" + code)  # an unknown escape keeps its backslash, as in Python
