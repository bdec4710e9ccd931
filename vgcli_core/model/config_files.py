"""A checkpoint's configuration, worked out from its files: ours says everything, the published ones half of it."""

from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError
from transformers import GenerationConfig

from vgcli_core.errors import CheckpointError
from vgcli_core.model.config import CONFIG_NAME, ModelConfig
from vgcli_core.model.fusion import FUSIONS, MERGERS
from vgcli_core.model.geometry_encoders import get_geometry_encoder
from vgcli_core.model.layouts import Layout, encoder_of
from vgcli_core.model.weights import read_json

# The key of a published config.json that says there is a geometry encoder, by layout.
SWITCHES: dict[Layout, str] = {"generation-1": "use_vggt_feature", "generation-2": "use_geometry_encoder"}
# What a published config.json calls fields of ModelConfig.
_KEYS: dict[Layout, dict[str, str]] = {
    "generation-1": {"reference_frame": "reference_frame", "vggt_merger_hidden_dim": "merger_hidden"},
    "generation-2": {
        "geometry_encoder_type": "geometry_encoder",
        "reference_frame": "reference_frame",
        "feature_fusion_method": "fusion",
        "fusion_num_layers": "fusion_layers",
        "geometry_merger_type": "merger",
        "geometry_merger_hidden_dim": "merger_hidden",
        "fusion_attention_heads": "fusion_heads",
        "fusion_dropout": "fusion_dropout",
    },
}
# Published code reads these and never writes them: they are in a file only where they differ from the default.
_READ_ALONE = ("merger_hidden", "fusion_heads", "fusion_dropout")


def geometry_keys(config: ModelConfig, layout: Layout, *, all_of_them: bool = True) -> dict[str, Any]:
    """Return what config.json says of geometry in a published layout; nothing for the plain backbone.

    Without `all_of_them`, only what the published code itself would write, and what differs from its defaults.
    """
    if config.geometry_encoder == "none" or layout == "plain":
        return {}
    defaults = ModelConfig()
    return {SWITCHES[layout]: True} | {
        key: getattr(config, field)
        for key, field in _KEYS[layout].items()
        if all_of_them or field not in _READ_ALONE or getattr(config, field) != getattr(defaults, field)
    }


def read_model_config(
    folder: Path,
    plain: dict[str, Any],
    layout: Layout,
    *,
    keys: list[str],
    extra_kind: str | None,
    sizes: dict[str, Any] | None,
) -> tuple[ModelConfig, tuple[str, ...]]:
    """Return the model's configuration and remarks for the user.

    Args:
        folder: of the checkpoint; its vgllm.json, where it has one, says everything.
        plain: its config.json.
        layout: of its weights.
        keys: the names of its weights; config.json must agree with them.
        extra_kind: the geometry encoder whose weights were given beside the folder, if any.
        sizes: of the geometry encoder, where they are not the published ones and no file says so.

    Raises:
        CheckpointError: the files contradict each other or hold an unknown value.
    """
    where = str(folder / "config.json")
    config = read_own_config(folder)
    if config is not None:
        try:
            get_geometry_encoder(config.geometry_encoder).Config.model_validate(sizes or config.geometry)
        except ValidationError as error:
            raise _invalid(error, folder / CONFIG_NAME) from error
        return config.model_copy(update={"geometry": sizes or config.geometry}), ()
    kind = encoder_of(keys, layout)
    declared = any(plain.get(switch) for switch in SWITCHES.values())
    notes: tuple[str, ...] = ()
    if kind == "none" and (declared or layout == "generation-2"):
        raise CheckpointError(
            "config.json asks for a geometry encoder and the weights hold none",
            where=where,
            fix="fetch all shards of this checkpoint, or use the config.json of the plain backbone",
        )
    switch = SWITCHES.get(layout)
    if switch is not None and plain.get(switch) is not True:
        notes = (f"config.json does not set {switch!r}, but the weights are {layout}: they are used with geometry",)
    stated = str(plain.get("geometry_encoder_type") or kind).lower()
    if kind not in {"none", stated}:
        raise CheckpointError(
            f"config.json says geometry encoder {stated!r}, the weights are of {kind!r}",
            where=where,
            fix="put the files of one checkpoint together",
        )
    if extra_kind is not None and kind not in {"none", extra_kind}:
        raise CheckpointError(
            f"weights of {extra_kind!r} were given for a model with {kind!r}",
            where=where,
            fix="give the weights of the same encoder",
        )
    kind = extra_kind or kind
    fusion, merger = plain.get("feature_fusion_method") or "add", plain.get("geometry_merger_type") or "mlp"
    for entry, value, table in (("fusion", fusion, FUSIONS), ("geometry merger", merger, MERGERS)):
        if not isinstance(value, str) or value not in table:
            raise CheckpointError(f"unknown {entry} {value!r}", where=where, fix=f"known: {', '.join(table)}")
    if kind == "none":
        notes = (*notes, "a plain backbone: no geometry encoder, no fusion")
    try:
        return _published(plain, kind, sizes=sizes or {}), notes
    except ValidationError as error:
        raise _invalid(error, folder / "config.json") from error


def read_own_config(folder: Path) -> ModelConfig | None:
    """Return the vgllm.json of a checkpoint, None where it has none. Raises CheckpointError where it cannot be read."""
    if not (folder / CONFIG_NAME).is_file():
        return None
    try:
        return ModelConfig.model_validate(read_json(folder / CONFIG_NAME))
    except ValidationError as error:
        raise _invalid(error, folder / CONFIG_NAME) from error


def with_encoder_of(config: ModelConfig, folder: Path, *, joins: bool) -> ModelConfig:
    """Return a configuration for the geometry encoder of another checkpoint of ours; other files say nothing of it.

    Args:
        config: of the model that the encoder goes into.
        folder: of the encoder's weights.
        joins: the model has no encoder yet, and takes over the sizes; else they must be the same.

    Raises:
        CheckpointError: the encoders have different sizes, or the file cannot be read.
    """
    other = read_own_config(folder)
    if other is None or other.geometry_encoder != config.geometry_encoder:
        return config
    if joins:
        return config.model_copy(update={"geometry": other.geometry})
    sizes = get_geometry_encoder(config.geometry_encoder).Config
    ours, theirs = (sizes.model_validate(one.geometry).model_dump() for one in (config, other))
    for name, value in ours.items():
        if theirs[name] != value:
            raise CheckpointError(
                f"its geometry encoder has {name} {theirs[name]}, and that of the model has {value}",
                where=str(folder / CONFIG_NAME),
                fix="give weights of an encoder of the same sizes",
            )
    return config


def read_generation_config(folder: Path) -> GenerationConfig | None:
    """Return the generation_config.json of a checkpoint: its end tokens and its repetition penalty stay in force.

    Raises:
        CheckpointError: the file is there and cannot be read.
    """
    file = folder / "generation_config.json"
    if not file.is_file():
        return None
    plain = read_json(file)
    penalty = plain.get("repetition_penalty")
    ends = plain.get("eos_token_id")
    listed = ends if isinstance(ends, list) else [] if ends is None else [ends]
    if not all(isinstance(end, int) for end in listed) or not isinstance(penalty, int | float | None):
        raise CheckpointError(
            "eos_token_id must be an id or a list of ids, repetition_penalty a number",
            where=str(file),
            fix="use the file that came with the weights",
        )
    return cast(GenerationConfig, GenerationConfig.from_dict(plain))


def _published(plain: dict[str, Any], kind: str, *, sizes: dict[str, Any]) -> ModelConfig:
    named = {key: field for keys in _KEYS.values() for key, field in keys.items()}
    given = {field: plain[key] for key, field in named.items() if plain.get(key) not in (None, "")}
    return ModelConfig.model_validate(
        {
            **given,
            "geometry_encoder": kind,
            "geometry": get_geometry_encoder(kind).Config.model_validate(sizes).model_dump(),
            # The published code reverses for any value but "first".
            "reference_frame": "first" if plain.get("reference_frame", "first") == "first" else "last",
        }
    )


def _invalid(error: ValidationError, file: Path) -> CheckpointError:
    first = error.errors()[0]
    return CheckpointError(
        f"{file.name}: {'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}",
        where=str(file),
        fix="use the file that was written with the weights, or a newer vgllm",
    )
