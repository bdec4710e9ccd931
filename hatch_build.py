"""Build hook: a wheel carries `recipes/` beside the code; an editable install reads the repository's own folder.

A plain `force-include` would copy the recipes into site-packages in an editable install too, where they go stale.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class RecipesHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds recipes/ to wheels, as vgcli_core/_recipes."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before each build; `version` is "standard" or "editable"."""
        if version == "standard":
            build_data["force_include"]["recipes"] = "vgcli_core/_recipes"
