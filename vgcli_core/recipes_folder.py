"""Where the recipes are: in the repository when vgllm runs from a clone, beside the code when it came as a wheel."""

from pathlib import Path

_PACKAGED = Path(__file__).parent / "_recipes"
_REPOSITORY = Path(__file__).parent.parent / "recipes"


def recipes_folder() -> Path:
    """Return the folder that holds the recipes and their README."""
    return _PACKAGED if _PACKAGED.is_dir() else _REPOSITORY
