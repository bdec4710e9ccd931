"""How many operations a sample takes: products counted from the architecture, two operations each.

A step trains what the recipe says: the forward pass, computed twice with checkpoints; in the backward pass one more
for the gradients of activations, and one for those of weights where these learn. Frozen encoders run forward only.
Before answers are learnt, one encoder runs alone; the heads that teach it are not counted.
"""

from vgcli_core.training.recipe import Recipe
from vgcli_core.training.sizes import Sizes, adapter_parameters


def encoders_work(sizes: Sizes, *, frames: int, patches: int, cells: int) -> float:
    """Return operations of both encoders, forward, on one sample.

    Args:
        sizes: of the model.
        frames: of the sample.
        patches: of one frame, as the geometry encoder sees it.
        cells: of one frame, after merging: a quarter of the 2D tower's patches.
    """
    return tower_work(sizes, frames=frames, cells=cells) + geometry_work(sizes, frames=frames, patches=patches)


def tower_work(sizes: Sizes, *, frames: int, cells: int) -> float:
    """Return operations of the 2D tower and its connector, forward."""
    tower, own = sizes.tower, 4 * cells
    weights = tower.layers * (4 * tower.width**2 + 3 * tower.width * tower.inner)
    seen = tower.whole * own + (tower.layers - tower.whole) * min(tower.window, own)
    connector = cells * sizes.parts["connector"]
    return 2.0 * frames * (own * weights + own * 2 * tower.width * seen + connector)


def geometry_work(sizes: Sizes, *, frames: int, patches: int) -> float:
    """Return operations of the geometry encoder, forward; 0 without."""
    one = sizes.encoder
    if one is None:
        return 0.0
    own = patches + one.special
    weights = (one.within + one.across) * (4 * one.width**2 + 2 * one.width * one.inner)
    seen = one.within * own + one.across * frames * own
    return 2.0 * frames * own * (weights + 2 * one.width * seen)


def decoder_work(sizes: Sizes, *, tokens: int) -> float:
    """Return operations of the decoder's layers, forward; a token attends to those before it alone."""
    decoder = sizes.decoder
    attention = decoder.queries * tokens  # two products of half the pairs
    return 2.0 * tokens * decoder.layers * (decoder.layer_weights + attention)


def sample_work(
    sizes: Sizes,
    recipe: Recipe,
    *,
    frames: int,
    tokens: int,
    labelled: int,
    patches: int,
    cells: int,
    cached: bool = False,
) -> float:
    """Return operations of one sample of a step, recomputation included.

    Args:
        sizes: of the model.
        recipe: what is trained, and whether activations are computed twice.
        frames, tokens, labelled: of the sample.
        patches, cells: of one frame, as in `encoders_work`.
        cached: encoders' outputs come from a cache.
    """
    trained, decoder = recipe.trained, sizes.decoder
    again = 1 if recipe.run.checkpoint_gradients else 0
    if recipe.objective.kind == "geometry":
        return 3 * geometry_work(sizes, frames=frames, patches=patches)
    if recipe.objective.kind == "regions":
        return (3 + again) * tower_work(sizes, frames=frames, cells=cells)
    full = trained.language_model == "full"
    layers = decoder_work(sizes, tokens=tokens)
    work = layers * (1 + again + (2 if full else 1))
    if trained.language_model == "lora":
        work += 2.0 * tokens * adapter_parameters(sizes, recipe) * (3 + again)
    work += 2.0 * labelled * decoder.vocabulary * decoder.width * (3 if full else 2)
    merger = 2.0 * frames * cells * sizes.merger_hidden * (sizes.merger_inputs + decoder.width)
    work += merger * (3 if trained.geometry_merger else 1)
    if not cached and not recipe.start.blind:
        tower = tower_work(sizes, frames=frames, cells=cells)
        work += tower * (3 + again if trained.vision_tower else 1)
        work += geometry_work(sizes, frames=frames, patches=patches) * (3 if trained.geometry_encoder else 1)
    return work
