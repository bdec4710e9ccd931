"""A stand-in for lmms-eval 0.7.3: what its registry, its base class and its tasks do with a model, and no more."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from PIL import Image

SETTINGS = {"max_new_tokens": 12, "temperature": 0, "top_p": 1.0, "num_beams": 1, "do_sample": False, "until": []}


@dataclass(frozen=True)
class ModelManifest:
    """What an entry point gives: where the classes of a model are."""

    model_id: str
    simple_class_path: str | None = None
    chat_class_path: str | None = None
    aliases: tuple[str, ...] = ()


class CacheHook:
    def __init__(self) -> None:
        self.added: list[tuple[str, Any, str]] = []

    def add_partial(self, attr: str, req: Any, res: str) -> None:
        self.added.append((attr, req, res))


class Lmms(ABC):
    """lmms-eval's base class: the abstract methods, the attributes that it sets, and how arguments come."""

    is_simple: ClassVar[bool] = True

    def __init__(self) -> None:
        self._rank, self._world_size = 0, 1
        self.cache_hook = CacheHook()
        self.task_dict: dict[str, Any] = {}
        self.cleaned = False

    @abstractmethod
    def loglikelihood(self, requests): ...

    @abstractmethod
    def generate_until(self, requests): ...

    @abstractmethod
    def generate_until_multi_round(self, requests): ...

    @property
    def rank(self) -> int:
        return self._rank

    @classmethod
    def create_from_arg_string(cls, words: str, additional: dict[str, Any]):
        pairs = (pair.split("=", 1) for pair in words.split(",") if pair)
        given = {name: _typed(value) for name, value in pairs}
        return cls(**given, **{name: value for name, value in additional.items() if value is not None})

    def clean(self) -> None:
        self.cleaned = True


def _typed(value: str) -> Any:
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if value.isnumeric():
        return int(value)
    try:
        return float(value)
    except ValueError:
        return value


@dataclass
class Instance:
    arguments: tuple[Any, ...]

    @property
    def args(self) -> tuple[Any, ...]:
        return self.arguments


class Task:
    """A task with one split: documents are (visuals, text) pairs; it counts how often each is asked for."""

    def __init__(self, docs: list[tuple[list[Any], str]], settings: dict[str, Any] | None = None) -> None:
        self.docs = docs
        self.settings = SETTINGS if settings is None else settings

    def visuals(self, doc: tuple[list[Any], str]) -> list[Any]:
        return doc[0]

    def messages(self, doc: tuple[list[Any], str]) -> list[dict[str, Any]]:
        kinds = ["image" if isinstance(one, Image.Image) else "video" for one in doc[0]]
        seen = [{"type": kind, "url": one} for kind, one in zip(kinds, doc[0], strict=True)]
        return [{"role": "user", "content": [*seen, {"type": "text", "text": doc[1]}]}]

    def requests(self, model: Any) -> list[Instance]:
        model.task_dict = {"mine": {"test": self.docs}}
        if model.is_simple:
            rows = [(text, dict(self.settings), self.visuals, i) for i, (_, text) in enumerate(self.docs)]
        else:
            rows = [(text, self.messages, dict(self.settings), i) for i, (_, text) in enumerate(self.docs)]
        return [Instance((*row, "mine", "test")) for row in rows]

    def answers(self, model: Any) -> list[str]:
        return model.generate_until(self.requests(model))
