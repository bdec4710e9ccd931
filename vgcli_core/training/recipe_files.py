"""Recipes as files: found by name or path, inherited, overridden, written out whole.

`base: NAME` starts from another recipe, or from a file beside this one; `base: [ONE, TWO]` from several, each over the
ones before. Tables are merged key by key; everything else is replaced.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from vgcli_core.errors import UsageError, lookup
from vgcli_core.recipes_folder import recipes_folder
from vgcli_core.training.recipe import Recipe
from vgcli_core.training.recipe_words import explained, meaning
from vgcli_core.training.strict_yaml import Keys, read_document, read_value

_LARGEST = 1_000_000  # bytes of a file
_SUFFIXES = (".yaml", ".yml")
# Text that no reader of YAML takes for anything else.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_NOT_PLAIN = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}

_Values = dict[str, Any]
_Places = dict[Keys, str]


def recipes() -> dict[str, Path]:
    """Return the recipes that come with vgllm, by name."""
    return {path.stem: path for path in sorted(recipes_folder().glob("*.yaml"), key=lambda path: path.stem)}


def load_recipe(name: str, settings: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        name: of a recipe that comes with vgllm, or the path of a YAML file.
        settings: `optim.lr=1e-5` and the like, each over the file and those before it.

    Raises:
        UnknownName: there is no such recipe.
        UsageError: a file or setting that cannot be read, an unknown key, a value that is not allowed.
    """
    values, places = _inherited(_find(name, Path(), where=""), set())
    for setting in settings:
        keys, given = _setting(setting)
        values = _merged(values, given)
        places |= {keys[:end]: f"--set {setting}" for end in range(1, len(keys) + 1)}
    sets = values["data"].get("sets") if isinstance(values.get("data"), dict) else None
    if isinstance(sets, dict):
        values["data"] = {**values["data"], "sets": {key: one for key, one in sets.items() if one is not None}}
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise explained(error, places, where=f"recipe {name}") from error


def to_yaml(recipe: Recipe) -> str:
    """Return the whole recipe, defaults included, with what each key means; `load_recipe` reads it back."""
    return "\n".join(_lines(recipe, depth=0)) + "\n"


def fingerprint(recipe: Recipe) -> str:
    """Return SHA-256 of all values but the description; the order of keys and sets does not matter."""
    values = recipe.model_dump(mode="json", exclude={"description"})
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _find(name: str, folder: Path, *, where: str) -> Path:
    """Return the file of a recipe; paths are relative to `folder`."""
    known = recipes()
    if name in known:
        return known[name]
    path = folder / name
    if path.is_file():
        return path
    if path.suffix in _SUFFIXES or "/" in name or "\\" in name:
        fix = "check the path, or name a recipe of `vgllm train --list`"
        raise UsageError(f"there is no file {name}", where=where or str(path), fix=fix)
    return lookup("recipe", known, name, where=where)


def _inherited(path: Path, seen: set[Path]) -> tuple[_Values, _Places]:
    """Return the values of a file over those of its bases, and where each key stands; `seen` are read already."""
    seen.add(path.resolve())
    document = read_document(_text(path), where=str(path))
    own = {keys: f"{path}, line {line}" for keys, line in document.lines.items()}
    named = document.values.pop("base", [])
    where = own.get(("base",), "")
    values: _Values = {}
    places: _Places = {}
    for base in named if isinstance(named, list) else [named]:
        if not isinstance(base, str):
            raise UsageError("base names no recipe", where=where, fix="give a name of `vgllm train --list`, or a path")
        found = _find(base, path.parent, where=where)
        if found.resolve() in seen:
            raise UsageError(f"{base} is a base twice, or of itself", where=where, fix="name every base once")
        under, places_under = _inherited(found, seen)
        values, places = _merged(values, under), places | places_under
    return _merged(values, document.values), places | own


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError("the file is too large for a recipe", where=str(path), fix="name a recipe")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        what = f"the recipe cannot be read: {error.strerror or error}"
        raise UsageError(what, where=str(path), fix="check its permissions") from error
    except UnicodeDecodeError as error:
        raise UsageError("the file is no UTF-8 text", where=str(path), fix="save it as UTF-8") from error


def _setting(text: str) -> tuple[Keys, _Values]:
    """Read KEY=VALUE: the parts of the key, and the value as nested tables."""
    key, equals, value = text.partition("=")
    keys = tuple(part.strip() for part in key.split("."))
    if not equals or not all(keys):
        raise UsageError(
            f"{text!r} sets nothing", where=f"--set {text}", fix="give KEY=VALUE, for example --set optim.lr=1e-5"
        )
    # Nothing is empty text, which is what such a word means in a shell; null is written out.
    given: Any = read_value(value, where=f"--set {text}") if value.strip() else ""
    for part in reversed(keys):
        given = {part: given}
    return keys, given


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> _Values:
    result = dict(under)
    for key, value in over.items():
        before = result.get(key)
        tables = isinstance(before, dict) and isinstance(value, dict)
        result[key] = _merged(before or {}, value) if tables else value
    return result


def _lines(section: BaseModel, *, depth: int, explain: bool = True) -> Iterator[str]:
    """Yield a section, its values beside each other with a comment each."""
    indent = "  " * depth
    rows: list[tuple[str, str]] = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _aligned(rows)
            rows = []
            yield from ("", f"{indent}# {(value.__doc__ or '').splitlines()[0]}", f"{indent}{name}:")
            yield from _lines(value, depth=depth + 1)
        elif isinstance(value, dict):
            yield f"{indent}{name}:  # {meaning(field)}"
            for place, (key, one) in enumerate(value.items()):
                yield f"{indent}  {_scalar(key)}:"
                yield from _lines(one, depth=depth + 2, explain=place == 0)
        else:
            rows.append((f"{indent}{name}: {_scalar(value)}", f"  # {meaning(field)}" if explain else ""))
    if depth == 0:
        yield ""
    yield from _aligned(rows)


def _aligned(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    width = max((len(row) for row, _ in rows if len(row) <= 40), default=0)
    yield from (f"{row:{width}}{comment}" if comment else row for row, comment in rows)


def _scalar(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_scalar, value))}]"
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _NOT_PLAIN:
        return value
    return yaml.safe_dump(value, default_style='"', allow_unicode=True, width=10**9).rstrip("\n")
