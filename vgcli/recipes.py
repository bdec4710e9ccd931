"""Recipes for people: the list, and one recipe whole as YAML that can be saved and changed. Pure: prints nothing."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from vgcli.preparing import plain_table
from vgcli.readable import clean, one_line

if TYPE_CHECKING:
    from vgcli_core.training.recipe import Recipe


def listing(found: "Mapping[str, Recipe]") -> Iterator[RenderableType]:
    """Yield a table of recipes by name, with what each is for and needs."""
    table = plain_table("name", "what")
    for name, recipe in found.items():
        table.add_row(name, one_line(recipe.description))
    yield table
    yield Text(
        "vgllm train --recipe NAME --show writes one out whole; --set KEY=VALUE changes a key; a path of your own file "
        "is a recipe too.",
        style="dim",
    )


def shown(text: str) -> Text:
    """Return a recipe's YAML with dim comments, to be printed without breaking lines, so that it stays YAML."""
    found = Text(clean(text.rstrip("\n")))
    found.highlight_regex(r"(?m)(^|  ) *# .*$", style="dim")
    return found
