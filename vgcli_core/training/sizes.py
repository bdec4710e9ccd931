"""How large the model of a recipe is: widths, layers and parameters by part, from configurations alone.

No weights are read and nothing is fetched: the published models are known by name, others by their config.json.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from pydantic import ValidationError
from torch import nn

from vgcli_core.errors import CheckpointError, UsageError, first_line
from vgcli_core.model.config import ModelConfig
from vgcli_core.model.config_files import read_own_config
from vgcli_core.model.geometry_encoders.pi3 import Pi3
from vgcli_core.model.geometry_encoders.vggt import VGGT
from vgcli_core.model.hub import checkpoint_folder
from vgcli_core.model.vgllm import VGLLM, build_empty
from vgcli_core.model.weights import read_json
from vgcli_core.training.parts import PARTS, learns, part_of
from vgcli_core.training.published_models import PUBLISHED
from vgcli_core.training.recipe import Part, Recipe, Start
from vgcli_core.training.start import NEW, build_new


@dataclass(frozen=True, slots=True)
class Decoder:
    """The language model: `queries` and `keys` are the widths of all heads together."""

    layers: int
    width: int
    inner: int
    heads: int
    queries: int
    keys: int
    vocabulary: int
    tied: bool

    @property
    def layer_weights(self) -> int:
        """Entries of the matrices of one layer."""
        return self.width * (2 * self.queries + 2 * self.keys + 3 * self.inner)


@dataclass(frozen=True, slots=True)
class Tower:
    """The 2D tower: `whole` layers attend over a picture, the others over windows of `window` patches."""

    layers: int
    width: int
    inner: int
    whole: int
    window: int


@dataclass(frozen=True, slots=True)
class Encoder:
    """The geometry encoder as it runs: blocks that see one frame, blocks that see all; `special` tokens a frame."""

    within: int
    across: int
    width: int
    inner: int
    special: int
    out: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """A model in numbers.

    Attributes:
        name: of its backbone.
        decoder, tower: of the backbone.
        encoder: None for the plain backbone.
        merger_inputs, merger_hidden: widths of the geometry merger; 0 without.
        fusion: parameters of the fusion; 0 for addition.
        parts: parameters by part, without adapters.
        idle: parameters of the geometry encoder that never run, so that they are never trained.
        linear: layers of the decoder by name: inputs, outputs, and how many there are.
    """

    name: str
    decoder: Decoder
    tower: Tower
    encoder: Encoder | None
    merger_inputs: int
    merger_hidden: int
    fusion: int
    parts: Mapping[Part, int]
    idle: int
    linear: Mapping[str, tuple[int, int, int]]

    @property
    def total(self) -> int:
        """All parameters."""
        return sum(self.parts.values())


@dataclass(frozen=True, slots=True)
class Share:
    """Parameters of a part: what learns, and what stays as it is."""

    trained: int
    frozen: int


def sizes_of_recipe(recipe: Recipe, *, offline: bool = True) -> Sizes:
    """Return the sizes of the model that a recipe starts from.

    Args:
        recipe: `start` of it matters.
        offline: False lets a hub name that is not known here be looked up.

    Raises:
        CheckpointError: the name is not known, or its configuration cannot be read.
        UsageError: a model that is drawn anew is not as the recipe says.
    """
    start = recipe.start
    if start.weights in NEW:
        model, _ = build_new(start)
        plain = model.backbone.model.config.to_dict()
        return sizes_of(_config(start, model.config), plain, name=start.weights)
    if start.weights in PUBLISHED:
        return sizes_of(_config(start), PUBLISHED[start.weights], name=start.weights)
    try:
        folder = checkpoint_folder(start.weights, offline=offline)
    except CheckpointError as error:
        raise CheckpointError(
            f"the sizes of {start.weights!r} are not known: {error.what}",
            where="start.weights",
            fix=f"give a folder with its config.json, or one of {', '.join((*PUBLISHED, *NEW))}",
        ) from error
    return sizes_of(_config(start, read_own_config(folder)), read_json(folder / "config.json"), name=start.weights)


def sizes_of(config: ModelConfig, plain: dict[str, Any], *, name: str) -> Sizes:
    """Return the sizes of a model, built without memory.

    Args:
        config: what is around the backbone.
        plain: the backbone's config.json.
        name: for people.

    Raises:
        CheckpointError: the two do not describe a model.
    """
    try:
        model = build_empty(config, plain)
    except (StrictDataclassError, ValidationError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"config.json does not describe a model: {first_line(error)}",
            where=name,
            fix="use the file that came with the weights",
        ) from error
    parts: Counter[Part] = Counter()
    idle = 0
    unused = tuple(f"geometry_encoder.{prefix}" for prefix in model.geometry_encoder.idle_prefixes)
    for key, parameter in model.named_parameters():
        parts[part_of(key)] += parameter.numel()
        idle += parameter.numel() if key.startswith(unused) else 0
    text, vision = model.backbone.model.config.text_config, model.backbone.model.config.vision_config
    head = text.hidden_size // text.num_attention_heads
    decoder = Decoder(
        text.num_hidden_layers,
        text.hidden_size,
        text.intermediate_size,
        text.num_attention_heads,
        text.num_attention_heads * head,
        text.num_key_value_heads * head,
        text.vocab_size,
        model.backbone.tied,
    )
    tower = Tower(
        vision.depth,
        vision.hidden_size,
        vision.intermediate_size,
        len(vision.fullatt_block_indexes),
        (vision.window_size // vision.patch_size) ** 2,
    )
    merged = next(model.geometry_merger.mlp.children()) if model.has_geometry else None
    return Sizes(
        name,
        decoder,
        tower,
        _encoder(model),
        merged.in_features if isinstance(merged, nn.Linear) else 0,
        merged.out_features if isinstance(merged, nn.Linear) else 0,
        sum(p.numel() for p in model.feature_fusion.parameters()) if model.has_geometry else 0,
        {part: parts[part] for part in PARTS},
        idle,
        _linear(model.backbone.language_model),
    )


def shares_of(sizes: Sizes, recipe: Recipe) -> dict[Part, Share]:
    """Return how many parameters of each part learn with a recipe, and how many do not.

    Raises:
        UsageError: an adapter on a layer that the language model does not have.
    """
    shares: dict[Part, Share] = {}
    for part, count in sizes.parts.items():
        if part == "language_model" and recipe.trained.language_model == "lora":
            shares[part] = Share(adapter_parameters(sizes, recipe), count)
            continue
        trained = count if learns(_ANY[part], recipe.trained) else 0
        idle = sizes.idle if part == "geometry_encoder" and trained else 0
        shares[part] = Share(trained - idle, count - trained + idle)
    return shares


def adapter_parameters(sizes: Sizes, recipe: Recipe) -> int:
    """Return the parameters of the adapters: rank x (inputs + outputs) for each layer. Raises UsageError."""
    total = 0
    for target in recipe.lora.targets:
        if target not in sizes.linear:
            raise UsageError(
                f"the language model has no linear layer {target!r}",
                where="lora.targets",
                fix=f"known: {', '.join(sorted(sizes.linear))}",
            )
        inputs, outputs, count = sizes.linear[target]
        total += recipe.lora.rank * (inputs + outputs) * count
    return total


# A parameter of each part, for `learns`.
_ANY: dict[Part, str] = {
    "language_model": "backbone.model.lm_head.weight",
    "geometry_merger": "geometry_merger.mlp.0.weight",
    "connector": "backbone.model.model.visual.merger.mlp.0.weight",
    "vision_tower": "backbone.model.model.visual.blocks.0.norm1.weight",
    "geometry_encoder": "geometry_encoder.weight",
}


def _config(start: Start, saved: ModelConfig | None = None) -> ModelConfig:
    """Return what a recipe makes of a checkpoint: its encoder's sizes count where the recipe has the same kind."""
    same = saved is not None and saved.geometry_encoder == start.geometry_encoder
    return ModelConfig(
        geometry_encoder=start.geometry_encoder,
        geometry=saved.geometry if saved is not None and same else {},
        fusion=start.fusion,
        fusion_layers=start.fusion_layers,
        merger=start.merger,
        merger_hidden=saved.merger_hidden if saved is not None and same else start.merger_hidden,
        reference_frame=start.reference_frame,
        patch_positions=start.patch_positions or (saved is not None and saved.patch_positions and not start.blind),
        blind=start.blind,
        frame_width=start.frame_width,
    )


def _encoder(model: VGLLM) -> Encoder | None:
    encoder = model.geometry_encoder
    if isinstance(encoder, VGGT):
        own = encoder.config
        pairs, width = own.depth - 1, own.embed_dim
        special, ratio = 1 + own.num_register_tokens, own.mlp_ratio
        return Encoder(own.patch_embed_depth + pairs, pairs, width, int(width * ratio), special, encoder.dim)
    if isinstance(encoder, Pi3):
        other = encoder.config
        across, width = other.decoder_depth // 2, other.decoder_embed_dim
        within = other.encoder_depth + other.decoder_depth - across
        inner = int(width * other.mlp_ratio)
        return Encoder(within, across, width, inner, other.decoder_num_register_tokens, encoder.dim)
    return None


def _linear(decoder: nn.Module) -> dict[str, tuple[int, int, int]]:
    found: dict[str, tuple[int, int, int]] = {}
    for name, module in decoder.named_modules():
        if isinstance(module, nn.Linear):
            key = name.rpartition(".")[2]
            count = found[key][2] if key in found else 0
            found[key] = (module.in_features, module.out_features, count + 1)
    return found
