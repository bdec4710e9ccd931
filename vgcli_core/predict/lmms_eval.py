"""VG-LLM as a model of lmms-eval (github.com/EvolvingLMMs-Lab/lmms-eval), which is not a dependency.

lmms-eval finds `manifest` by the entry point group `lmms_eval.models`, and then imports `VgllmChat`, or `VgllmSimple`
with --force_simple. They are made at that moment: their base class is lmms-eval's.

    lmms-eval --model vgllm --model_args pretrained=FOLDER,num_frames=32,dtype=bfloat16 --tasks vsibench --batch_size 8

The prompts are the tasks' own, sent as they are: for the prompts and protocols of the paper use `vgllm eval`.

Source: lmms-eval 0.7.3, `models/registry_v2.py` and `api/model.py`.
"""

import logging
import os
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from vgcli_core.errors import UsageError, lookup

NAME = "vgllm"
# Whether a class takes requests in lmms-eval's simple form; the chat form is what it prefers.
_SIMPLE = {"VgllmChat": False, "VgllmSimple": True}
_USUAL_FRAMES = 32
_LOG = logging.getLogger(__name__)


def manifest() -> Any:
    """Return lmms-eval's ModelManifest of this model. Raises UsageError where lmms-eval is not installed."""
    return _library("models.registry_v2").ModelManifest(
        model_id=NAME,
        simple_class_path=f"{__name__}.VgllmSimple",
        chat_class_path=f"{__name__}.VgllmChat",
    )


def __getattr__(name: str) -> Any:
    if name not in _SIMPLE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _model_class(name)


class Adapter:
    """What lmms-eval calls; becomes a model together with its base class.

    Args:
        pretrained: a checkpoint folder or a hub name; VGLLM_MODEL, and then the demo model, when empty.
        num_frames: of a video, evenly spaced; as many as the model was trained on, or else 32, when it is not given.
            All pictures of a question are shown.
        batch_size: questions about the same visuals that are decoded together; "auto" is `max_batch_size`, or 8.
        max_batch_size: see `batch_size`.
        device: auto, cpu, cuda, cuda:1, mps; auto and cuda give each of several processes its own.
        geometry, dtype, attention, device_map, revision, offline, cache_features: see `vgcli_core.load`.

    Raises:
        UnknownName, UsageError: arguments that are not known, or mean nothing.
        CheckpointError, ResourceError, OutputError: see `vgcli_core.load`.
    """

    is_simple: ClassVar[bool]
    task_dict: Mapping[str, Any]
    cache_hook: Any
    rank: int

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        from vgcli_core.predict.loading import load

        for name in arguments:
            lookup("argument", _ARGUMENTS, name, where="--model_args")
        given = {name: _ARGUMENTS[name](name, value) for name, value in arguments.items()}
        environment = os.environ
        self._rank = int(environment.get("RANK", "0"))
        self._world_size = int(environment.get("WORLD_SIZE", "1"))
        num_frames = given.pop("num_frames", None)
        largest = given.pop("max_batch_size", 8)
        self.batch_size: int = given.pop("batch_size", 1) or largest
        given["device"] = _own_device(given.get("device", "auto"), environment)
        self.predictor = load(given.pop("pretrained", None), **given)
        self.device = self.predictor.model.device
        self.num_frames: int = num_frames or self.predictor.model.config.num_frames or _USUAL_FRAMES
        self._said = set[str]()
        for note in self.predictor.report.notes:
            self._say(note)
        if self.predictor.model.config.untrained:
            self._say("untrained weights: the answers mean nothing")

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """Answer the requests of this process, in order; those with the same visuals are encoded once.

        Raises VgllmError for sampling, several turns, questions without visuals, and visuals of unknown kinds.
        """
        from vgcli_core.predict.lmms_eval_requests import answer_requests, read_request

        asked = [
            read_request(request.args, self.task_dict, self.num_frames, simple=self.is_simple) for request in requests
        ]
        bar = import_module("tqdm").tqdm(total=len(asked), disable=self.rank != 0, desc=NAME)

        def done(place: int, answer: str) -> None:
            arguments = requests[place].args
            settings = arguments[1] if self.is_simple else arguments[2]
            self.cache_hook.add_partial("generate_until", (arguments[0], settings), answer)
            bar.update(1)

        with bar:
            return answer_requests(
                self.predictor,
                asked,
                num_frames=self.num_frames,
                batch_size=self.batch_size,
                done=done,
                say=self._say,
            )

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Refuse, with the error that lmms-eval's own models raise: VG-LLM is scored by what it writes."""
        raise NotImplementedError(f"{NAME} gives no probabilities of given answers: choose tasks of generate_until")

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """Refuse, with the error that lmms-eval's own models raise: VG-LLM was trained on single questions."""
        raise NotImplementedError(f"{NAME} answers one question at a time: choose tasks of generate_until")

    def clean(self) -> None:
        """Let go of the model, since lmms-eval may load a judge next."""
        vars(self).pop("predictor", None)
        super().clean()  # type: ignore[misc]  # of lmms-eval's class, which stands behind this one

    def _say(self, note: str) -> None:
        """Log a remark, each once."""
        if note not in self._said:
            self._said.add(note)
            _LOG.warning(note)


@cache
def _model_class(name: str) -> type[Any]:
    bases = (Adapter, _library("api.model").lmms)
    inside = {"is_simple": _SIMPLE[name], "__module__": __name__, "__doc__": Adapter.__doc__}
    return types.new_class(name, bases, exec_body=lambda body: body.update(inside))


def _library(module: str) -> Any:
    try:
        return import_module(f"lmms_eval.{module}")
    except ModuleNotFoundError as error:
        raise UsageError(
            f"lmms-eval cannot be used: {error}", where=__name__, fix="pip install lmms-eval, 0.7 or later"
        ) from error


def _own_device(device: str, environment: Mapping[str, str]) -> str:
    """Return the device of this process, where each of several on this machine has one."""
    if int(environment.get("WORLD_SIZE", "1")) == 1 or device not in ("auto", "cuda"):
        return device
    import torch

    return f"cuda:{environment.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else device


def _text(name: str, value: Any) -> str:
    """Return an argument as text: lmms-eval turns what looks like a number or a truth value into one."""
    return str(value)


def _folder(name: str, value: Any) -> Path:
    return Path(str(value))


def _count(name: str, value: Any) -> int:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"{name} is {value!r}", where="--model_args", fix=f"give a number, for example {name}=8")
    return value


def _batch_size(name: str, value: Any) -> int:
    """Return 0 for "auto"."""
    return 0 if str(value).startswith("auto") else _count(name, value)


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{name} is {value!r}", where="--model_args", fix=f"give {name}=True or {name}=False")
    return value


_ARGUMENTS: Mapping[str, Callable[[str, Any], Any]] = {
    "pretrained": _text,
    "geometry": _text,
    "num_frames": _count,
    "batch_size": _batch_size,
    "max_batch_size": _count,
    "device": _text,
    "device_map": _text,
    "dtype": _text,
    "attention": _text,
    "revision": _text,
    "offline": _switch,
    "cache_features": _folder,
}
