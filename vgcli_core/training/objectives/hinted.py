"""Losses beside that of the answer, for a small model that learns to ground from nothing.

- boxes: each image token tells the box of the object that it shows, on entering the language model and inside it;
- words: each image token is nearest to the word for its object;
- pointing: where a number of a box is written, attention goes to the image tokens of that box's object;
- numbers: digits near the right one are nearly right, and numbers count more than the brackets around them.

None of them changes the model: their heads are left out of it.

Shapes: B rows of L tokens, width D; T image tokens of all rows, N objects of all rows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vgcli_core.model.branching import branching
from vgcli_core.model.processor import IGNORE
from vgcli_core.model.vgllm import VGLLM, ModelInputs
from vgcli_core.training.objectives.hinted_inputs import HintedInputs
from vgcli_core.training.objectives.hints import BOX
from vgcli_core.training.recipe import Losses

_ENOUGH = 3 / 16  # share of its cells from which a token shows an object


class HintedLoss(nn.Module):
    """The losses of `recipe.objective`; the additional ones are means, times the number of learnt tokens."""

    def __init__(self, model: VGLLM, losses: Losses, label_ids: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.model, self.losses = model, losses
        self.added = tuple(name for name in ("boxes", "words", "pointing") if getattr(losses, name))
        self.measures = ("answers", *self.added, *(("middle",) if losses.boxes else ()))
        self.label_ids = [list(ids) for ids in label_ids]
        width = model.backbone.hidden_size
        layers: Any = model.backbone.language_model.layers
        # Boxes are read half-way down, from the layer below the one that points.
        self.pointing_layer = len(layers) // 2
        # A head without a loss would get no gradient, which several processes wait for and checkpoints hold moments of.
        heads: dict[str, nn.Module] = {}
        if losses.boxes:
            heads |= {"entering": _box_head(width), "inside": _box_head(width)}
        if losses.words:
            heads |= {
                "words": nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width)),
                "nothing": nn.Linear(width, 1),
            }
        self.heads = nn.ModuleDict(heads)
        self.last: dict[str, float] = {}

    def forward(self, batch: HintedInputs) -> Tensor:
        """Return a float32 scalar."""
        inputs, model = batch.inputs, self.model
        layers: Any = model.backbone.language_model.layers
        layer = layers[self.pointing_layer]
        with _watched(model.backbone.language_model, layer) as seen:
            hidden = model.hidden(inputs)
        answers = self._answers(hidden, batch)
        learnt = float((inputs.labels[:, 1:] != IGNORE).sum()) if inputs.labels is not None else 0.0
        pictured = inputs.input_ids.to(hidden.device) == model.backbone.image_token_id
        entering, inside = (seen[name][pictured].float() for name in ("entering", "inside"))
        found = {"answers": answers / max(learnt, 1)}
        if self.losses.boxes:
            found["middle"], found["boxes"] = self._boxes(entering, inside, batch)
        if self.losses.words:
            found["words"] = self._words(entering, batch)
        if self.losses.pointing:
            found["pointing"] = self._pointing(layer.self_attn, seen["attention"], batch, pictured)
        # Held-out means are over learnt tokens.
        self.last = {name: float(found[name].detach()) * learnt for name in self.measures}
        loss: Tensor = answers
        for name in self.added:
            loss = loss + getattr(self.losses, name) * learnt * found[name]
        return loss

    def _boxes(self, entering: Tensor, inside: Tensor, batch: HintedInputs) -> tuple[Tensor, Tensor]:
        """Return how far the middles are off inside the language model, metres, and the error of both readings."""
        shown, owner = _owners(batch)
        if not bool(shown.any()):
            nothing = (entering.sum() + inside.sum()) * 0.0
            return nothing, nothing + sum(p.sum() for p in self.heads.parameters()) * 0.0
        true = batch.boxes[owner[shown]]
        first, second = self.heads["entering"](entering[shown]), self.heads["inside"](inside[shown])
        middle = (second[:, :3] - true[:, :3]).norm(dim=1).mean()
        return middle, (_apart(first, true) + _apart(second, true)) / 2

    def _answers(self, hidden: Tensor, batch: HintedInputs) -> Tensor:
        labels = batch.inputs.labels
        if labels is None:
            raise ValueError("a loss needs labels")
        targets = labels[:, 1:].to(hidden.device)
        learnt = targets != IGNORE
        likely = self.model.backbone.logits(hidden[:, :-1][learnt]).log_softmax(-1)
        error = -likely.gather(1, targets[learnt][:, None])[:, 0]
        if len(batch.soft):
            # The places of soft targets among the learnt ones.
            order = torch.full(targets.shape, -1, device=hidden.device)
            order[learnt] = torch.arange(len(error), device=hidden.device)
            rows, places = batch.soft_at.unbind(1)
            at = order[rows, places - 1]
            error = error.index_copy(0, at, -(batch.soft * likely[at]).sum(1))
        return (error * batch.weights[:, 1:][learnt]).sum()

    def _words(self, tokens: Tensor, batch: HintedInputs) -> Tensor:
        """Return the cross-entropy of each image token's label, or none, by nearness to the words' embeddings."""
        embedding = self.model.backbone.embed
        ids = [torch.tensor(one, device=tokens.device) for one in self.label_ids]
        words = torch.stack([embedding(one).float().mean(0) for one in ids])
        scores = self.heads["words"](tokens) @ words.T * words.shape[1] ** -0.5
        scores = torch.cat((self.heads["nothing"](tokens), scores), dim=1)
        shown, owner = _owners(batch)
        target = torch.zeros(len(tokens), dtype=torch.long, device=tokens.device)
        target[shown] = batch.labels[owner[shown]] + 1
        return F.cross_entropy(scores, target)

    def _pointing(self, attention: Any, given: Any, batch: HintedInputs, pictured: Tensor) -> Tensor:
        """Return the cross-entropy of where one head of each group of keys looks."""
        if not len(batch.pointing):
            nothing: Tensor = attention.q_proj.weight.sum() * 0.0
            return nothing
        args, named = given
        entering = args[0] if args else named["hidden_states"]
        section = attention.config.rope_parameters["mrope_section"]
        cos, sin = (composed(wave, section) for wave in named["position_embeddings"])
        wide = attention.head_dim
        queries = attention.q_proj(entering).unflatten(-1, (-1, wide)).transpose(1, 2)
        keys = attention.k_proj(entering).unflatten(-1, (-1, wide)).transpose(1, 2)
        group = queries.shape[1] // keys.shape[1]
        queries, keys = (_turned(one.float(), cos, sin) for one in (queries[:, ::group], keys))
        rows, places, objects = batch.pointing.unbind(1)
        wanted = _wanted(batch, pictured)
        allowed = _allowed(batch.inputs).to(entering.device)
        errors = []
        for row in torch.unique(rows).tolist():
            own = rows == row
            scores = torch.einsum("phd,hld->phl", queries[row][:, places[own]].transpose(0, 1), keys[row]) * wide**-0.5
            scores = scores.masked_fill(~allowed[row, 0, places[own]][:, None], -torch.inf)
            likely = scores.log_softmax(-1)[..., pictured[row]]  # [p, heads, image tokens of the row]
            errors.append(-(wanted[row][objects[own]][:, None] * likely).sum(-1).mean(1))
        return torch.cat(errors).mean()


@contextmanager
def _watched(language_model: nn.Module, layer: Any) -> Iterator[dict[str, Any]]:
    """Keep what enters the language model, one of its layers, and that layer's attention, while they run."""
    seen: dict[str, Any] = {}
    watching = (
        language_model.register_forward_pre_hook(
            lambda _, __, given: seen.update(entering=given["inputs_embeds"]), with_kwargs=True
        ),
        layer.register_forward_pre_hook(
            lambda _, args, given: seen.update(inside=args[0] if args else given["hidden_states"]), with_kwargs=True
        ),
        layer.self_attn.register_forward_pre_hook(
            lambda _, args, given: seen.update(attention=(args, given)), with_kwargs=True
        ),
    )
    try:
        yield seen
    finally:
        for one in watching:
            one.remove()


def _owners(batch: HintedInputs) -> tuple[Tensor, Tensor]:
    """Return [T] whether an image token shows an object, and [T] which one."""
    if not batch.cells.shape[1]:
        nobody = torch.zeros(len(batch.cells), dtype=torch.long, device=batch.cells.device)
        return nobody > 0, nobody
    share, owner = batch.cells.max(1)
    return share >= _ENOUGH, owner


def _box_head(width: int) -> nn.Module:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, BOX))


def _apart(found: Tensor, true: Tensor) -> Tensor:
    """Return the mean distance of middles, metres, and half of what sizes (metres) and angles (radians) are off."""
    off = (found - true).abs()
    return off[:, :3].sum(1).mean() + 0.5 * off[:, 3:].mean()


def _wanted(batch: HintedInputs, pictured: Tensor) -> list[Tensor]:
    """Return for each row [N, its image tokens] which of them show each object, as shares that add up to 1 (or 0)."""
    counts = pictured.sum(1).tolist()
    return [part.T / part.sum(0)[:, None].clamp(min=1e-6) for part in torch.split(batch.cells, counts)]


def _allowed(inputs: ModelInputs) -> Tensor:
    """Return [B, 1, L, L], which tokens a token may see."""
    if inputs.branches is not None:
        return branching(inputs.branches)
    length = inputs.input_ids.shape[1]
    return torch.ones(len(inputs.input_ids), 1, length, length, dtype=torch.bool).tril()


def composed(wave: Tensor, section: Sequence[int]) -> Tensor:
    """Return the cosines or sines [B, L, d] of positions in time, row and column.

    Args:
        wave: composed already, as the decoder gives them today, or [3, B, L, d], as in transformers 5.6.
        section: how many of the d / 2 frequencies each of the three has.
    """
    if wave.dim() == 3:
        return wave
    parts = torch.split(wave, [*section, *section], dim=-1)
    return torch.cat([part[number % 3] for number, part in enumerate(parts)], dim=-1)


def _turned(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply rotary positions [B, L, d] to queries or keys [B, H, L, d], in halves as the decoder does."""
    left, right = states.chunk(2, dim=-1)
    turned: Tensor = states * cos[:, None] + torch.cat((-right, left), dim=-1) * sin[:, None]
    return turned
