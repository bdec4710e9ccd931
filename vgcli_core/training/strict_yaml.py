"""YAML as plain data, read strictly: a key may stand once, nothing refers to anything, tags are refused.

Bare words are read by the core schema of YAML 1.2, so `1e-5` is a number, and `no` and `2025-11-27` are text.
"""

import re
from dataclasses import dataclass
from typing import Any

import yaml

from vgcli_core.errors import UsageError

Keys = tuple[str, ...]

_WORDS = {"": None, "~": None} | {
    spelt: value
    for word, value in {"null": None, "true": True, "false": False}.items()
    for spelt in (word, word.capitalize(), word.upper())
}
_WHOLE = re.compile(r"[-+]?[0-9]{1,40}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TEXT = "tag:yaml.org,2002:str"


@dataclass(frozen=True, slots=True)
class Document:
    """A table of keys, nested, and the line on which each key stands."""

    values: dict[str, Any]
    lines: dict[Keys, int]


class _Loader(yaml.SafeLoader):
    """A loader that leaves bare words alone and refuses references, so that a file cannot grow when it is read."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 the base class reads it from the class

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse `*name`."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise _refused("references like *name are not allowed", mark)
        return super().compose_node(parent, index)


def read_document(text: str, *, where: str) -> Document:
    """Read a file that holds one table.

    Args:
        text: of the file.
        where: its name, for messages.

    Raises:
        UsageError: it is no YAML, no table, or says a key twice; with the line.
    """
    lines: dict[Keys, int] = {}
    values = _read(text, lines, where)
    if not isinstance(values, dict):
        raise UsageError("the file is no table of keys", where=where, fix="write lines of the form KEY: VALUE")
    return Document(values, lines)


def read_value(text: str, *, where: str) -> Any:
    """Read one value: a word, a number, or a list or table in brackets. Raises UsageError."""
    return _read(text, {}, where)


def _read(text: str, lines: dict[Keys, int], where: str) -> Any:
    try:
        node = yaml.compose(text, Loader=_Loader)
        return None if node is None else _value(node, (), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = where if mark is None else f"{where}, line {mark.line + 1}, column {mark.column + 1}"
        raise UsageError(f"this is not read: {error.problem}", where=place, fix="correct it there") from error
    except yaml.YAMLError as error:
        shown = " ".join(str(error).split())
        raise UsageError(f"this is not read: {shown}", where=where, fix="save it as plain UTF-8 text") from error
    except RecursionError as error:
        raise UsageError("brackets are nested too deeply", where=where, fix="write it plainly") from error


def _value(node: yaml.Node, keys: Keys, lines: dict[Keys, int]) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _table(node, keys, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*keys, str(place)), lines) for place, item in enumerate(node.value)]
    if not isinstance(node, yaml.ScalarNode) or node.tag != _TEXT:
        raise _refused(f"the tag {node.tag} is not allowed", node.start_mark)
    return str(node.value) if node.style is not None else _word(node.value)  # a style is a kind of quotes


def _word(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _table(node: yaml.MappingNode, keys: Keys, lines: dict[Keys, int]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name, value in node.value:
        if not isinstance(name, yaml.ScalarNode):
            raise _refused("a key is a list or a table", name.start_mark)
        here = (*keys, str(name.value))
        if here[-1] in table:
            earlier = f"line {lines[here]} has it too"
            raise _refused(f"the key {'.'.join(here)} stands twice: {earlier}", name.start_mark)
        lines[here] = name.start_mark.line + 1
        table[here[-1]] = _value(value, here, lines)
    return table


def _refused(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, problem, mark)
