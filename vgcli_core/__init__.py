"""vgllm: ask a plain video about 3D space. `from vgcli_core import load` is the stable entrance from Python.

from vgcli_core import load

model = load()  # or load("path/to/checkpoint"), load("owner/name")
print(model.ask("video.mp4", "where is the sink?"))
"""

from typing import TYPE_CHECKING, Any

from vgcli_core.version import __version__

if TYPE_CHECKING:
    from vgcli_core.predict.loading import load
    from vgcli_core.predict.pipeline import Predictor
    from vgcli_core.predict.result import Answer, Result

__all__ = ["Answer", "Predictor", "Result", "__version__", "load"]

_LAZY = {
    "load": "vgcli_core.predict.loading",
    "Predictor": "vgcli_core.predict.pipeline",
    "Answer": "vgcli_core.predict.result",
    "Result": "vgcli_core.predict.result",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that importing a small part does not load torch."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
