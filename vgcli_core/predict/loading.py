"""Load a model to ask: a checkpoint folder, a hub name, or one that is built in when nothing is named."""

import os
import time
from dataclasses import replace
from pathlib import Path

from vgcli_core.errors import CheckpointError, UsageError
from vgcli_core.geometry.boxes import EulerConvention
from vgcli_core.model.checkpoint import LoadReport, Options, load_model
from vgcli_core.model.conventions import revision_with
from vgcli_core.model.device import choose_placement
from vgcli_core.model.hub import checkpoint_folder
from vgcli_core.model.tiny import NAME as TINY_NAME
from vgcli_core.model.tiny import tiny_model
from vgcli_core.model.tokenizer import load_tokenizer
from vgcli_core.model.vgllm import cast_parameters
from vgcli_core.model.weights import read_json
from vgcli_core.predict.pipeline import Predictor
from vgcli_core.text.prompts import PromptRevision

MODEL_VARIABLE = "VGLLM_MODEL"
DEMO = "demo"
"""Names the model that ships with vgllm: small, and trained on synthetic rooms by the recipes of the same name."""
TINY = "tiny"
"""Names a tiny model with random weights, built in a moment, for tests."""
SHIPPED = Path(__file__).parents[1] / "shipped" / "rooms"
"""Folder of the demo model; installations that must be small may lack it."""

_DEMO_NAME = "demo (synthetic rooms)"
_DEMO_FOV = 75.0  # degrees: the middle of what rooms are filmed with, where its own files do not say
_ROOMS_ONLY = "the demo model knows synthetic rooms only; give --model for real videos"
_NOT_SHIPPED = "this installation lacks the demo model: a tiny random one answers in its place; give --model"


def load(
    model: str | Path | None = None,
    *,
    geometry: str | Path | None = None,
    device: str = "auto",
    device_map: str | None = None,
    dtype: str = "auto",
    attention: str = "auto",
    euler_convention: EulerConvention | None = None,
    prompt_revision: PromptRevision | None = None,
    revision: str | None = None,
    offline: bool = False,
    seed: int = 0,
    cache_features: Path | None = None,
) -> Predictor:
    """Load a model to ask.

    Args:
        model: a checkpoint folder, a hub name, or one that is built in: "demo", trained on synthetic rooms, or "tiny",
            random, for tests. VGLLM_MODEL, and then "demo", when None; "tiny" where an installation lacks that.
        geometry: weights of VGGT or Pi3, for a plain Qwen2.5-VL folder, or for a compact one of ours.
        device: auto, cpu, cuda, cuda:1, mps.
        device_map: "auto" splits a large backbone over devices (transformers' own placement).
        dtype: auto, float32, bfloat16, float16.
        attention: auto, sdpa, flash, eager.
        euler_convention: how the model writes box angles, where its checkpoint does not say ("ZXY" or "zxy").
        prompt_revision: wording of its box prompts; the one that belongs to `euler_convention` when only that is given.
        revision: branch, tag or commit on the hub.
        offline: use only what is on this machine.
        seed: of weights that no file holds: the tiny model's, or a new fusion's.
        cache_features: folder where the encoders' features of frames are kept (`Predictor.cache_features`).

    Raises:
        CheckpointError: weights or configuration that are missing, damaged, or do not fit together.
        ResourceError: no such device, or too little memory.
        UsageError: options that are unknown or contradict each other.
        OutputError: `cache_features` cannot be written.
    """
    started = time.perf_counter()
    prompt_revision = revision_with(euler_convention, prompt_revision)
    options = Options(
        device, dtype, attention, device_map, euler_convention, prompt_revision, offline=offline, seed=seed
    )
    name, folder = find_model(model, revision=revision, offline=offline)
    if geometry is not None and folder in (None, SHIPPED):
        fix = "give a plain Qwen2.5-VL folder with --model"
        raise UsageError("--geometry needs a model to join", where="--geometry", fix=fix)
    if folder is None:
        predictor = _tiny(options, notes=() if _asked_for(model) else (_NOT_SHIPPED,))
    else:
        encoder = checkpoint_folder(geometry, offline=offline) if geometry is not None else None
        tokenizer = load_tokenizer(folder)
        # A folder, or a pinned revision, may hold files from before the convention changed under the same name.
        hub_name = "" if folder == SHIPPED or Path(name).exists() or revision else name
        network, report = load_model(folder, options, name=hub_name, geometry=encoder)
        if folder == SHIPPED:
            name, report = _DEMO_NAME, replace(report, notes=(_ROOMS_ONLY, *report.notes))
            fov = network.config.horizontal_fov or _DEMO_FOV
            network.config = network.config.model_copy(update={"horizontal_fov": fov})
        predictor = Predictor(network, tokenizer, report, name=name, seed=seed)
    if cache_features is not None:
        predictor.cache_features(cache_features)
    predictor.load_seconds = time.perf_counter() - started
    return predictor


def find_model(
    model: str | Path | None, *, revision: str | None = None, offline: bool = False
) -> tuple[str, Path | None]:
    """Return the name and the folder of the model that `load` loads; "tiny" has no folder.

    A folder of that name goes before what is built in, as it goes before the hub. Raises CheckpointError: there is no
    such folder, and none on the hub, or it holds no checkpoint.
    """
    asked = _asked_for(model)
    if asked not in ("", DEMO, TINY) or (asked and Path(asked).exists()):
        folder = checkpoint_folder(asked, revision=revision, offline=offline)
        check_folder(folder)
        return asked, folder
    shipped = (SHIPPED / "model.safetensors").is_file()
    if asked == TINY or not (asked or shipped):
        return TINY, None
    if not shipped:
        fix = f'give a checkpoint, or "{TINY}" for a random model'
        raise CheckpointError("this installation lacks the demo model", where=str(SHIPPED), fix=fix)
    return DEMO, SHIPPED


def check_folder(folder: Path) -> None:
    """Refuse, before anything is loaded, what cannot be the folder of a checkpoint. Raises CheckpointError."""
    if not folder.is_dir():
        fix = "give the folder that holds config.json and the weights"
        raise CheckpointError(f"{folder.name} is a file", where=str(folder), fix=fix)
    _refuse_run(folder)
    read_json(folder / "config.json")  # a folder without it is no checkpoint, whatever else it lacks


def _refuse_run(folder: Path) -> None:
    """Help who names the folder of a training run instead of a model in it. Raises CheckpointError."""
    if (folder / "config.json").exists() or not (folder / "run.json").exists():
        return
    models = [name for name in ("model", "best") if (folder / name).is_dir()]
    raise CheckpointError(
        "this is the folder of a training run, not of a model",
        where=str(folder),
        fix=f"give {folder / models[0]}" if models else "finish the run first: it writes its model at the end",
    )


def _asked_for(model: str | Path | None) -> str:
    return str(model or os.environ.get(MODEL_VARIABLE) or "")


def _tiny(options: Options, *, notes: tuple[str, ...]) -> Predictor:
    network, tokenizer = tiny_model(seed=options.seed)
    stated = {"euler_convention": options.euler_convention, "prompt_revision": options.prompt_revision}
    given = {key: value for key, value in stated.items() if value is not None}
    if given:
        network.config = network.config.model_copy(update={**given, "conventions_from": "stated by the user"})
    parameters = sum(p.numel() for p in network.parameters())
    placement = choose_placement(
        device=options.device,
        dtype=options.dtype,
        attention=options.attention,
        parameters=parameters,
        saved_dtype="float32",
    )
    network.backbone.model.set_attn_implementation(placement.attention)
    network.to(placement.device)
    cast_parameters(network, placement.dtype)
    report = LoadReport(None, "generation-2", parameters, notes=notes)
    return Predictor(network, tokenizer, report, name=TINY_NAME, seed=options.seed)
