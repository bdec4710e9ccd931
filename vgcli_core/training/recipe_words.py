"""What is wrong with a recipe, in plain words: which key, where it was written, what it may be."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from vgcli_core.errors import UsageError
from vgcli_core.training.recipe import NoNumber, Recipe
from vgcli_core.training.strict_yaml import Keys

# How a key below a table of free names is written where no name is meant.
ANY_NAME = "NAME"
_SETS = ("data", "sets")

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "string": "text, in quotes where it looks like something else",
    "tuple": "a list in brackets",
    "list": "a list in brackets",
    "dict": "a table of keys",
    "model": "a table of keys",
}
_LIMITS = {
    "gt": "above",
    "ge": "at least",
    "lt": "below",
    "le": "at most",
    "multiple_of": "a multiple of",
}


def known_keys(section: type[BaseModel] = Recipe, above: Keys = ()) -> dict[Keys, FieldInfo]:
    """Return all keys in order, tables before what is in them; the name of a set is ANY_NAME."""
    found: dict[Keys, FieldInfo] = {}
    for name, field in section.model_fields.items():
        here = (*above, name)
        found[here] = field
        inner = _inner(field)
        if inner is not None:
            found |= known_keys(inner, (*here, ANY_NAME) if get_origin(field.annotation) is dict else here)
    return found


def meaning(field: FieldInfo) -> str:
    """Return the description of a key, and the words it takes where they are few."""
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    words = ", ".join(str(choice) for choice in choices)
    return f"{field.description} ({words})" if words else field.description or ""


def explained(problem: ValidationError, places: Mapping[Keys, str], *, where: str) -> UsageError:
    """Return the first thing that is wrong; keys that do not exist come first, since they explain missing ones.

    Args:
        problem: of `Recipe`.
        places: where each key was written.
        where: the recipe, for keys that nobody wrote.
    """
    errors = problem.errors(include_url=False)
    first = min(errors, key=lambda error: error["type"] != "extra_forbidden")
    keys = tuple(str(key) for key in first["loc"])
    place = next((places[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in places), where)
    what, fix = _told(first, keys)
    if first["type"] == "missing" and keys[:2] == _SETS:
        others = {key[2] for key in places if key[:2] == _SETS and len(key) > 2} - {keys[2]}
        near = get_close_matches(keys[2], sorted(others), n=1, cutoff=0.5)
        fix = f"did you mean {'.'.join((*_SETS, near[0]))}? if not, {fix}" if near else fix
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return UsageError(f"{what}{more}", where=place, fix=fix)


def _told(error: Mapping[str, Any], keys: Keys) -> tuple[str, str]:
    """Return what is wrong, and how to mend it."""
    key, kind = ".".join(keys), error["type"]
    if kind == "extra_forbidden":
        return f"unknown key {key}", _nearest(keys)
    general = _general(keys)
    field = known_keys().get(general)
    about = f"; {'.'.join(general)} is: {meaning(field)}" if field is not None else ""
    if kind == "missing":
        if len(general) < len(keys):
            return f"{'.'.join(general)} has too few entries", f"give them all{about}"
        return f"{key} is missing", f"give it{about}"
    if kind == "value_error" and not isinstance(error["ctx"]["error"], NoNumber):
        # Of a table, or of the whole: the sentence names its keys.
        return str(error["ctx"]["error"]), f"change one of them{about}" if about else "change one of them"
    return f"{key} is {_shown(error['input'])}", f"give {_allowed(error)}{about}"


def _allowed(error: Mapping[str, Any]) -> str:
    limits = error.get("ctx", {})
    if error["type"] == "literal_error":
        return f"one of {limits['expected']}"
    if isinstance(limits.get("error"), NoNumber):
        return "a number, or the text that is meant"
    if "min_length" in limits:
        return f"at least {limits['min_length']}"
    told = [f"a value {words} {limits[name]:g}" for name, words in _LIMITS.items() if name in limits]
    return " and ".join(told) or _KINDS.get(error["type"].split("_")[0], error["msg"])


def _nearest(keys: Keys) -> str:
    """Return which key may be meant: of the same table, or one of the same name in another."""
    table = {".".join(key): field for key, field in known_keys().items()}
    above = _general(keys[:-1])
    beside = {key[-1]: ".".join(key) for key in known_keys() if key[:-1] == above}
    near = get_close_matches(keys[-1], beside, n=1, cutoff=0.5)
    found = [name for name in table if name.split(".")[-1] == keys[-1]] or [beside[name] for name in near]
    if not found:
        return f"known: {', '.join(beside)}" if beside else f"{'.'.join(above)} holds no keys"
    return f"did you mean {found[0]}? it is: {meaning(table[found[0]])}"


def _general(keys: Keys) -> Keys:
    """Return the known key that `keys` are an instance of, without places in lists, and with ANY_NAME for names."""
    known = known_keys()
    here: Keys = ()
    for key in keys:
        field = known.get(here)
        free = field is not None and get_origin(field.annotation) is dict
        if not free and here in known and _inner(known[here]) is None:
            break
        here = (*here, ANY_NAME if free else key)
    return here


def _inner(field: FieldInfo) -> type[BaseModel] | None:
    """Return the section that a key holds, alone or by name."""
    candidates = [field.annotation, *get_args(field.annotation)]
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:60]} ..."
