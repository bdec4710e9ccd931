"""Bytes that one process of a run holds, by part, at each moment of a step: counted from the architecture.

A moment is where memory may be largest; the forecast is the largest of them. `e` is bytes of an activation. Every
count below is of tensors that torch keeps for the backward pass, or makes on the way; the sum is compared with what a
real step takes in `tests/bench/bench_train_memory.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from vgcli_core.training.recipe import Recipe
from vgcli_core.training.sizes import Decoder, Sizes, shares_of

_SCORED_AT_ONCE = 1024  # labelled tokens, as in VGLLM.loss_sum
_BUCKET = 100_000_000  # entries, as in processes.zero_config; two of them, one travels while the other fills
_GATHERED = 1_000_000_000  # entries that stage 3 keeps whole at a time: DeepSpeed's stage3_max_live_parameters
_PIXELS = 3 * 14 * 14  # of a patch
_OF_A_PAIR = 8  # numbers that the loss of matches keeps

STATIC = ("weights", "gradients", "optimizer", "DeepSpeed buffers")
VARYING = ("inputs and features", "activations", "bf16 copies of weights", "scores", "encoders at work", "temporary")


@dataclass(frozen=True, slots=True)
class Longest:
    """The longest sample of a run: its frames, its tokens in all, and those of them that are not of pictures.

    `patches` and `cells` are what one frame has for the geometry encoder, and after merging for the language model.
    """

    frames: int
    tokens: int
    text: int
    patches: int
    cells: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes by part at the moment when their sum is largest, and that sum for every moment."""

    parts: Mapping[str, int]
    moment: str
    moments: Mapping[str, int]

    @property
    def total(self) -> int:
        """Bytes at the largest moment."""
        return sum(self.parts.values())


@dataclass(frozen=True, slots=True)
class _Kinds:
    """Bytes of an entry: of activations, frozen and trained weights; and who casts."""

    e: int
    frozen: int
    trained: int
    autocast: bool


def memory_of(
    sizes: Sizes, recipe: Recipe, longest: Longest, *, world: int, turns: int, cached: bool = False, gpu: bool = True
) -> Memory:
    """Return the memory of one process at its largest step.

    Args:
        sizes: of the model.
        recipe: what is trained, and how.
        longest: the longest sample; `batch.micro` of it make a micro-batch, with `batch.questions` as many, whose
            frames stand there once.
        world: processes.
        turns: micro-batches of one process in one step: from the second on, gradients are there from the beginning.
        cached: encoders' outputs come from a cache; the encoders are loaded and do not run.
        gpu: whether it is one; dropout keeps its choice in another form on a CPU.
    """
    shares = shares_of(sizes, recipe)
    trained, frozen = (sum(getattr(one, kind) for one in shares.values()) for kind in ("trained", "frozen"))
    zero, half = recipe.run.zero, recipe.run.precision == "bf16"
    e = 2 if half else 4
    kinds = _Kinds(e, e, 4 if zero == 0 else e, autocast=half and zero == 0)
    spread = world if zero else 1
    # In stage 3 encoders stay whole in every process; they are frozen there.
    whole = sum(shares[part].frozen for part in ("vision_tower", "connector", "geometry_encoder")) * kinds.frozen
    weights = frozen * kinds.frozen + trained * kinds.trained
    static = {
        "weights": whole + (weights - whole) // world if zero == 3 else weights,
        "optimizer": (8 + (4 if zero else 0)) * trained // spread,
        "DeepSpeed buffers": 2 * min(_BUCKET, trained) * e if zero else 0,
    }
    if zero == 3:
        static["DeepSpeed buffers"] += min(_GATHERED, (weights - whole) // e) * e
    gradients = {"gradients": trained * kinds.trained // spread}
    # Several processes without DeepSpeed keep the buckets that they add gradients up in.
    early = gradients if turns > 1 or (zero == 0 and world > 1) else {}
    count = _Counts(sizes, recipe, longest, kinds, gpu)
    if recipe.objective.kind == "answers":
        moments = _of_answers(count, recipe, cached, early, gradients)
    else:
        one = {
            "inputs and features": count.pixels(),
            "activations": count.fusion(),
            "bf16 copies of weights": 2 * trained if kinds.autocast else 0,
            "scores": count.matches() if recipe.objective.kind == "geometry" else 0,
        }
        moments = {"backward": one | gradients}
    moments["update"] = {"temporary": 4 * trained // spread if zero else 0, **gradients}
    totals = {name: sum(parts.values()) + sum(static.values()) for name, parts in moments.items()}
    moment = max(totals, key=lambda name: totals[name])
    found = static | moments[moment]
    return Memory({name: found.get(name, 0) for name in (*STATIC, *VARYING)}, moment, totals)


def _of_answers(
    count: "_Counts", recipe: Recipe, cached: bool, early: dict[str, int], gradients: dict[str, int]
) -> dict[str, dict[str, int]]:
    """Return the moments of a step that learns answers; `early` are gradients that are there from the beginning."""
    pixels = 0 if cached else count.pixels()
    features = count.features()
    graph, layer = count.kept(), count.layer()
    moments: dict[str, dict[str, int]] = {
        "forward": {
            "inputs and features": pixels + features,
            "activations": graph,
            "bf16 copies of weights": count.copies(),
            "scores": count.scores(forward=True),
            **early,
        },
        "backward of the scores": {
            "inputs and features": features,
            "activations": graph,
            "bf16 copies of weights": count.copies(of_layers=not recipe.run.checkpoint_gradients),
            "scores": count.scores(forward=False),
            "temporary": count.head(),
            **early,
        },
        "backward of a layer": {
            "inputs and features": features,
            "activations": graph + (layer if recipe.run.checkpoint_gradients else 0),
            "bf16 copies of weights": count.copies(of_layers=not recipe.run.checkpoint_gradients),
            "temporary": count.layer_backward(),
            **early,
        },
        "end of backward": {
            "inputs and features": features,
            "activations": count.fusion(),
            "temporary": count.end_backward(),
            **gradients,
        },
    }
    if not cached:
        moments["encoders"] = {
            "inputs and features": pixels + features,
            "activations": count.fusion(),
            "encoders at work": count.encoders(),
            **early,
        }
    return moments


class _Counts:
    """Bytes of what varies within a step, for one micro-batch of the longest sample."""

    def __init__(self, sizes: Sizes, recipe: Recipe, longest: Longest, kinds: _Kinds, gpu: bool) -> None:
        self.sizes, self.recipe, self.longest, self.kinds, self.gpu = sizes, recipe, longest, kinds, gpu
        self.decoder: Decoder = sizes.decoder
        packed = recipe.batch.packing
        self.micro = recipe.batch.micro
        self.questions = recipe.batch.questions
        # A packed row of several samples is no longer than the longest one may be.
        row = longest.tokens + (self.questions - 1) * longest.text
        self.tokens = recipe.data.max_length if packed and self.micro > 1 else self.micro * row
        self.rows = 1 if packed else self.micro
        self.pictures = min(self.micro * longest.frames, self.tokens // max(longest.cells, 1))
        self.learnt = recipe.trained.language_model
        self.full = self.learnt == "full"

    def pixels(self) -> int:
        """Frames as the encoders that run read them, float32; the 2D tower reads each twice (two slots of time)."""
        tower = self.pictures * self.longest.cells * 4 * 2 * _PIXELS * 4
        geometry = self.pictures * self.longest.patches * _PIXELS * 4 if self.sizes.encoder else 0
        kind = self.recipe.objective.kind
        return (0 if kind == "geometry" else tower) + (0 if kind == "regions" else geometry)

    def matches(self) -> int:
        """Float32 shares of all pairs of patches of a scene, as they are and as two heads of attention see them."""
        return self.micro * (self.longest.frames * self.longest.patches) ** 2 * _OF_A_PAIR * 4

    def features(self) -> int:
        """What the encoders give."""
        cells = self.pictures * self.longest.cells
        geometry = 4 * self.sizes.encoder.out if self.sizes.encoder else 0
        return cells * (self.decoder.width + geometry) * self.kinds.e

    def fusion(self) -> int:
        """What the merger keeps: normalised patches, the four of a cell side by side, both widths; trained encoders."""
        cells, kinds = self.pictures * self.longest.cells, self.kinds
        kept = 0
        if self.sizes.encoder and self.recipe.trained.geometry_merger:
            normalised = self.sizes.merger_inputs * kinds.trained
            kept = cells * (normalised + (self.sizes.merger_inputs + 2 * self.sizes.merger_hidden) * kinds.e)
        return kept + self._trained_encoders()

    def kept(self) -> int:
        """Activations that live from forward to backward: the fusion's, and all of the layers or their inputs."""
        decoder, e = self.decoder, self.kinds.e
        checkpoints = self.recipe.run.checkpoint_gradients
        inside = decoder.width * e if checkpoints else self._layer_token()
        pieces = 0 if checkpoints else decoder.layers * self._pieces()
        tables = 6 * self._head_dim() * e  # cosines and sines of three axes, for all layers
        norm = self._norm_token(uses=0) + decoder.width * (e + 4)
        return self.fusion() + self.tokens * (decoder.layers * inside + tables + norm) + pieces + self._mask()

    def layer(self) -> int:
        """One layer computed again, all of it kept."""
        return self.tokens * self._layer_token() + self._pieces()

    def layer_backward(self) -> int:
        """Gradients inside the perceptron, and those of one matrix; without checkpoints no copies are made again."""
        decoder, kinds = self.decoder, self.kinds
        gradient = decoder.inner * decoder.width * (kinds.trained + kinds.e * kinds.autocast) if self.full else 0
        again = decoder.layer_weights * kinds.e if self._casts() and self.recipe.run.checkpoint_gradients else 0
        return self.tokens * (2 * decoder.inner + decoder.width) * kinds.e + gradient + again

    def copies(self, *, of_layers: bool = True) -> int:
        """Trained weights as autocast keeps them during the forward pass: every matrix once, in bfloat16."""
        if not self.kinds.autocast:
            return 0
        merger = self.sizes.merger_hidden * (self.sizes.merger_inputs + self.decoder.width)
        entries = merger if self.recipe.trained.geometry_merger else 0
        if self.full:
            entries += self.decoder.vocabulary * self.decoder.width
            entries += self.decoder.layers * self.decoder.layer_weights if of_layers else 0
        elif self.learnt == "lora" and of_layers:
            entries += shares_of(self.sizes, self.recipe)["language_model"].trained
        return 2 * entries

    def scores(self, *, forward: bool) -> int:
        """Scores of the labelled tokens: as computed, float32, their logarithms; backward two gradients more."""
        scored = self.micro * self.questions * self.longest.text
        if self.recipe.run.zero < 3:  # there all are scored at once, so that processes stay in step
            scored = min(_SCORED_AT_ONCE, scored)
        half = 2 if self.kinds.e == 2 else 0  # beside the same in float32
        return scored * self.decoder.vocabulary * (half + 4 + 4 + (0 if forward else 4))

    def head(self) -> int:
        """The gradient of the output head, and where autocast made it its copy in bfloat16."""
        weights = self.decoder.vocabulary * self.decoder.width
        return weights * (self.kinds.trained + self.kinds.e * self.kinds.autocast) if self.full else 0

    def end_backward(self) -> int:
        """The gradient of the embedding is made whole before it is added; that of the merger's input, twice."""
        cells, kinds = self.pictures * self.longest.cells, self.kinds
        embedding = self.decoder.vocabulary * self.decoder.width * kinds.trained if self.full else 0
        merger = 0
        if self.sizes.encoder and self.recipe.trained.geometry_merger:
            merger = 2 * cells * self.sizes.merger_inputs * kinds.trained
        return max(embedding + self.tokens * self.decoder.width * 4, merger)

    def encoders(self) -> int:
        """The larger of the two encoders at work on one sample, in its attention: queries and keys turn in float32."""
        e, frames = self.kinds.frozen, self.longest.frames
        tower = frames * self.longest.cells * 4 * self.sizes.tower.width * (4 * e + 24)
        if self.sizes.encoder is None:
            return tower
        tokens = frames * (self.longest.patches + self.sizes.encoder.special)
        width = self.sizes.encoder.width
        merger = frames * self.longest.cells * self.sizes.merger_inputs * 12
        return max(tower, tokens * width * (8 + 4 * e + 24), merger)

    def _trained_encoders(self) -> int:
        """What encoders keep where they are trained: two norms in float32, and what each product reads."""
        trained, frames, e, kept = self.recipe.trained, self.micro * self.longest.frames, self.kinds.e, 0
        if trained.geometry_encoder and self.sizes.encoder:
            one = self.sizes.encoder
            tokens = frames * (self.longest.patches + one.special)
            kept += tokens * (one.within + one.across) * (one.width * (24 + 7 * e) + 2 * one.inner * e)
        if trained.vision_tower:
            tower = self.sizes.tower
            inside = tower.width * e
            if not self.recipe.run.checkpoint_gradients:
                inside = tower.width * (16 + 6 * e) + 4 * tower.inner * e
            kept += frames * self.longest.cells * 4 * tower.layers * inside
        return kept

    def _casts(self) -> bool:
        return self.kinds.autocast and self.full

    def _head_dim(self) -> int:
        return self.decoder.queries // self.decoder.heads

    def _mask(self) -> int:
        """Padding or packing needs a mask, [T, T] for each row: one byte, and as a bias in the activations' dtype.

        Rows of several questions are attended to in pieces, each with a bias of its own length.
        """
        if self.questions > 1:
            return self.micro * self.questions * self.longest.text * self.longest.tokens * self.kinds.e
        return 0 if self.micro == 1 else self.tokens**2 // self.rows * (1 + self.kinds.e)

    def _pieces(self) -> int:
        """Bytes that a layer keeps of rows of several questions: the keys and values that each of them sees, for every
        head, and on a CPU the scores, in float32 and as they are used."""
        if self.questions == 1:
            return 0
        decoder, longest, e = self.decoder, self.longest, self.kinds.e
        copies = 2 * self.questions * longest.tokens * decoder.queries * e
        shared = longest.tokens - longest.text
        pairs = shared**2 + self.questions * longest.text * longest.tokens
        return self.micro * (copies + (0 if self.gpu else pairs * decoder.heads * (4 + e)))

    def _norm_token(self, *, uses: int) -> int:
        """Bytes that a norm keeps of a token, and the products (`uses`) that read its result."""
        width, kinds = self.decoder.width, self.kinds
        single = width * (4 if kinds.e < 4 else 0)  # the input in float32; in a float32 run it is the input itself
        if not self.full:
            return single
        # A float32 weight makes the result float32: each product casts it for itself.
        read = uses * width * kinds.e if self._casts() else min(uses, 1) * width * kinds.e
        return single + width * kinds.e + read

    def _layer_token(self) -> int:
        """Bytes that one decoder layer keeps of a token for its backward pass, its input included."""
        decoder, e = self.decoder, self.kinds.e
        attention = (2 * decoder.queries + 2 * decoder.keys) * e + 4 * decoder.heads + 2 * self._head_dim() * e
        inner = (4 if self.full else 3) * decoder.inner * e
        both = self._norm_token(uses=3) + self._norm_token(uses=2) + 2 * decoder.width * (e if e == 4 else 0)
        return both + attention + inner + (self._adapters_token() if self.learnt == "lora" else 0)

    def _adapters_token(self) -> int:
        """Adapters keep what they read after dropout, its choice, and the few numbers in between."""
        lora, total = self.recipe.lora, 0
        for target in lora.targets:
            inputs = self.sizes.linear[target][0]
            choice = 0 if lora.dropout == 0 else 1 if self.gpu else self.kinds.trained
            total += inputs * (self.kinds.e + choice) + lora.rank * self.kinds.e
        return total
