"""VG-LLM: a backbone whose image tokens are fused, patch by patch, with the tokens of a geometry encoder.

Shapes: B samples of L tokens, width D; T merged image tokens of all pictures; F frames of one sample, H x W pixels.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vgcli_core.errors import FusionError, lookup
from vgcli_core.model.backbones import get_backbone
from vgcli_core.model.backbones.qwen2_5_vl import Qwen25VL
from vgcli_core.model.config import ModelConfig
from vgcli_core.model.fusion import FUSIONS, MERGE, GeometryMerger, cells, crop_to_even, fuse
from vgcli_core.model.geometry_encoders import get_geometry_encoder
from vgcli_core.model.patch_positions import PatchPositions
from vgcli_core.model.pixels import PATCH, patchify

_FIX = "build prompts and frames with Processor"


@dataclass(slots=True)
class ModelInputs:
    """What the model reads; made by Processor.

    Attributes:
        input_ids: [B, L] int64.
        attention_mask: [B, L], 0 at padding.
        position_ids: [3, B, L] int64.
        pixel_values: [patches, 1176] float32, all frames of all samples; None for text alone.
        grid_thw: [images, 3] patches in time, rows, columns.
        geometry_frames: one [F, 3, H, W] in [0, 1] per sample, uncropped; F = 0 for a sample without pictures.
        labels: [B, L] int64, -100 where nothing is learnt.
        features: one per sample with pictures, in order, instead of `pixel_values` and `geometry_frames`: what the
            encoders made of them before.
        segments: [B, L] int64, where a row holds several samples: the number of the token's sample in its row, -1 at
            padding. Tokens of different samples do not see each other.
        branches: [B, L] int64, where samples of a row share their frames: 0 for the beginning that they share, and at
            padding; from 1 on the number of the sample that goes on with the token. Each sees the beginning and itself.
    """

    input_ids: Tensor
    attention_mask: Tensor
    position_ids: Tensor
    pixel_values: Tensor | None = None
    grid_thw: Tensor | None = None
    geometry_frames: Sequence[Tensor] = ()
    labels: Tensor | None = None
    features: "Sequence[Features]" = ()
    segments: Tensor | None = None
    branches: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Features:
    """What the two encoders make of one sample's F frames, before anything that is trained in the paper's recipe.

    Attributes:
        image: [T, D] tokens of the 2D tower and its connector.
        geometry: [F, h, w, C] tokens of the geometry encoder, cut to the tower's patches; None without geometry.
        grid_thw: [F, 3] patches in time, rows, columns; int64.
    """

    image: Tensor
    geometry: Tensor | None
    grid_thw: Tensor


@dataclass(slots=True)
class Counts:
    """How often each expensive part ran: what "the video is encoded once" is measured by."""

    encoder_calls: int = 0
    frames_encoded: int = 0
    prefix_runs: int = 0
    decode_steps: int = 0


@dataclass(slots=True)
class Output:
    """Logits [B, L, V] float32, and the mean loss over labelled tokens where labels were given."""

    logits: Tensor
    loss: Tensor | None = None


class VGLLM(nn.Module):
    """The whole model. Its parts keep their published parameter names; `checkpoint.py` adds the prefixes."""

    def __init__(self, config: ModelConfig, backbone: Qwen25VL) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone
        encoder = get_geometry_encoder(config.geometry_encoder)
        self.geometry_encoder = encoder.from_sizes(config.geometry)
        self.counts = Counts()
        # In which dtype features leave the encoders: None as they come. Training and its cache agree on one.
        self.feature_dtype: torch.dtype | None = None
        # Labelled tokens whose scores are in memory at a time; each is as long as the vocabulary.
        self.scored_at_once = 1024
        if self.has_geometry:
            width = backbone.hidden_size
            self.geometry_merger = GeometryMerger(
                self.geometry_encoder.dim, config.merger_hidden, width, kind=config.merger
            )
            self.feature_fusion = lookup("fusion", FUSIONS, config.fusion)(
                width, layers=config.fusion_layers, heads=config.fusion_heads, dropout=config.fusion_dropout
            )
        if config.patch_positions:
            self.patch_positions = PatchPositions(backbone.hidden_size)
        # The geometry encoder is frozen in the paper's recipe; whoever trains it says so.
        self.geometry_encoder.requires_grad_(False)

    @property
    def has_geometry(self) -> bool:
        """False for the plain backbone."""
        return self.geometry_encoder.dim > 0

    @property
    def device(self) -> torch.device:
        """Where inputs go: the device of the text embedding."""
        weight: Tensor = self.backbone.model.get_input_embeddings().weight
        return weight.device

    def geometry_features(self, frames: Tensor) -> Tensor:
        """Return geometry tokens [F, h, w, C] of one scene's frames [F, 3, H, W], in the order of the frames.

        With `reference_frame: last` the encoder sees the frames reversed, so that the last one is its reference.
        """
        reverse = self.config.reference_frame == "last" and self.geometry_encoder.has_reference_frame
        frames = frames.flip(0) if reverse else frames
        trainable = any(p.requires_grad for p in self.geometry_encoder.parameters())
        with torch.set_grad_enabled(torch.is_grad_enabled() and trainable):
            tokens: Tensor = self.geometry_encoder(frames)
        self.counts.encoder_calls += 1
        return tokens.flip(0) if reverse else tokens

    def encode(self, pixel_values: Tensor, grid_thw: Tensor, geometry_frames: Tensor) -> Features:
        """Run both encoders over one sample's frames; frozen ones take no part in autocast and keep no gradients.

        Args:
            pixel_values: [patches, 1176].
            grid_thw: [F, 3], all rows equal.
            geometry_frames: [F, 3, H, W] in [0, 1], uncropped; not looked at without a geometry encoder.

        Raises:
            FusionError: geometry frames are missing, too many, or of another size than the pictures.
        """
        if self.has_geometry:
            _check_count(len(grid_thw), len(geometry_frames))
        if bool((grid_thw != grid_thw[0]).any()):
            raise FusionError("frames of one sample differ in size", fix="prepare them with Processor")
        image = self._seen(pixel_values, grid_thw)
        image = image if self.feature_dtype is None else image.to(self.feature_dtype)
        if not self.has_geometry:
            return Features(image, None, grid_thw.cpu())
        with _as_frozen(self.geometry_encoder):
            tokens = crop_to_even(self.geometry_features(geometry_frames.to(image.device)))
        if tokens.shape[1:3] != tuple(int(n) for n in grid_thw[0, 1:]):
            raise FusionError(
                f"geometry frames of {tokens.shape[1]}x{tokens.shape[2]} patches, pictures of "
                f"{int(grid_thw[0, 1])}x{int(grid_thw[0, 2])}",
                fix="frames of one sample differ in size: prepare them with Processor",
            )
        return Features(image, tokens if self.feature_dtype is None else tokens.to(self.feature_dtype), grid_thw.cpu())

    def _seen(self, pixel_values: Tensor, grid_thw: Tensor) -> Tensor:
        """Return merged image tokens [T, D] of the 2D tower."""
        if self.config.blind:
            embedding: Tensor = self.backbone.model.get_input_embeddings().weight
            return embedding.new_zeros(int(grid_thw.prod(dim=1).sum()) // MERGE**2, self.backbone.hidden_size)
        with _as_frozen(self.backbone.vision):
            image = self.backbone.image_tokens(pixel_values, grid_thw)
        self.counts.frames_encoded += len(grid_thw)
        return image

    def fuse(self, scenes: Sequence[Features]) -> Tensor:
        """Return the fused tokens [T, D] of all samples, in order: merger, fusion and places, which are trained.

        Each runs once, whatever the number of samples: processes that share the weights must call them equally often.
        """
        image = torch.cat([one.image.to(self.device) for one in scenes])
        fused = self._with_geometry(image, scenes) if self.has_geometry else image
        if not self.config.patch_positions:
            return fused
        places: Tensor = self.patch_positions([one.grid_thw for one in scenes])
        return fused + places.to(fused)

    def _with_geometry(self, image: Tensor, scenes: Sequence[Features]) -> Tensor:
        """Return image tokens [T, D] fused with the geometry of their scenes."""
        if any(one.geometry is None for one in scenes):
            raise FusionError("features without geometry", fix="encode the frames again with this model")
        grids = [one.geometry.to(self.device) for one in scenes if one.geometry is not None]
        merged = self.geometry_merger(torch.cat([cells(grid) for grid in grids]))
        if not getattr(self.feature_fusion, "by_frame", False):
            return fuse(self.feature_fusion, image, merged)
        fused, start = [], 0
        for grid in grids:
            shape = (len(grid), grid.shape[1] // MERGE, grid.shape[2] // MERGE, -1)
            here = slice(start, start + shape[0] * shape[1] * shape[2])
            fused.append(fuse(self.feature_fusion, image[here].view(shape), merged[here].view(shape)).flatten(0, 2))
            start = here.stop
        return torch.cat(fused)

    def image_tokens(self, pixel_values: Tensor, grid_thw: Tensor, geometry_frames: Sequence[Tensor]) -> Tensor:
        """Return the fused tokens [T, D] of all pictures, in order.

        Raises:
            FusionError: geometry frames are missing, too many, or of another size than the pictures.
        """
        if not geometry_frames and not self.has_geometry and not self.config.patch_positions:
            return self._seen(pixel_values, grid_thw)
        _check_count(len(grid_thw), sum(len(frames) for frames in geometry_frames))
        scenes, picture, patch = [], 0, 0
        for frames in geometry_frames:
            if len(frames) == 0:
                continue
            grids = grid_thw[picture : picture + len(frames)]
            picture += len(frames)
            count = int(grids.prod(dim=1).sum())
            scenes.append(self.encode(pixel_values[patch : patch + count], grids, frames))
            patch += count
        return self.fuse(scenes)

    def embeds(self, inputs: ModelInputs) -> Tensor:
        """Return what enters the language model [B, L, D]: text embeddings with fused image tokens in their places."""
        embeds = self.backbone.embed(inputs.input_ids.to(self.device))
        if inputs.features:
            return self.place(embeds, inputs.input_ids, self.fuse(inputs.features))
        _check_pictures(inputs, self.backbone.image_token_id)
        if inputs.pixel_values is None or inputs.grid_thw is None:
            return embeds + self._idle() if self.training else embeds
        tokens = self.image_tokens(inputs.pixel_values, inputs.grid_thw, inputs.geometry_frames)
        return self.place(embeds, inputs.input_ids, tokens)

    def _idle(self) -> Tensor:
        """Return a zero that depends on every trained parameter of the picture's path.

        While training, a batch of text alone must give all of them a gradient: processes add theirs up, and wait for
        one another. Frozen encoders are not run for it.
        """
        grid = torch.tensor([[1, MERGE, MERGE]])
        if any(p.requires_grad for p in (*self.backbone.vision.parameters(), *self.geometry_encoder.parameters())):
            black = torch.zeros(1, 3, MERGE * PATCH, MERGE * PATCH, device=self.device)
            features = self.encode(patchify(black), grid, black)
        else:
            image = torch.zeros(1, self.backbone.hidden_size, dtype=self.feature_dtype, device=self.device)
            tokens = torch.zeros(1, MERGE, MERGE, self.geometry_encoder.dim, dtype=self.feature_dtype)
            features = Features(image, tokens if self.has_geometry else None, grid)
        return self.fuse([features]).sum() * 0.0

    def place(self, embeds: Tensor, input_ids: Tensor, tokens: Tensor) -> Tensor:
        """Put image tokens [T, D] where `input_ids` [B, L] holds placeholders. Raises FusionError on a wrong count."""
        places = input_ids.to(embeds.device) == self.backbone.image_token_id
        if int(places.sum()) != len(tokens):
            raise FusionError(
                f"the prompt has {int(places.sum())} image tokens, the pictures give {len(tokens)}",
                fix="build both with Processor; truncating a prompt must not cut a picture",
            )
        return embeds.masked_scatter(places[..., None], tokens.to(embeds))

    def hidden(self, inputs: ModelInputs) -> Tensor:
        """Return the last hidden states [B, L, D]."""
        embeds = self.embeds(inputs)
        if torch.is_autocast_enabled(embeds.device.type):
            # Master weights are float32; what flows between the layers is not.
            embeds = embeds.to(torch.get_autocast_dtype(embeds.device.type))
        return self.backbone.hidden(
            embeds,
            positions=inputs.position_ids.to(self.device),
            mask=inputs.attention_mask.to(self.device),
            cache=None,
            segments=None if inputs.segments is None else inputs.segments.to(self.device),
            branches=inputs.branches,
        )

    def forward(self, inputs: ModelInputs) -> Output:
        """Return logits, and with labels the mean cross-entropy over the labelled tokens."""
        logits = self.backbone.logits(self.hidden(inputs))
        if inputs.labels is None:
            return Output(logits)
        targets = inputs.labels[:, 1:].to(logits.device)
        return Output(logits, F.cross_entropy(logits[:, :-1].flatten(0, 1), targets.flatten(), ignore_index=-100))

    def loss_sum(self, inputs: ModelInputs) -> Tensor:
        """Return the cross-entropy, added up over the labelled tokens; 0 where there are none.

        Scores are computed for labelled tokens alone: of thousands of image tokens nothing is learnt, and a row of
        scores is as wide as the vocabulary.
        """
        if inputs.labels is None:
            raise ValueError("a loss needs labels")
        hidden = self.hidden(inputs)
        targets = inputs.labels[:, 1:].to(hidden.device)
        learnt = targets != -100
        states, wanted = hidden[:, :-1][learnt], targets[learnt]
        if len(wanted) <= self.scored_at_once:
            return self._scored(states, wanted)
        pieces = zip(*(torch.split(each, self.scored_at_once) for each in (states, wanted)), strict=True)
        parts = [checkpoint(self._scored, *piece, use_reentrant=False) for piece in pieces]
        return torch.stack(parts).sum()

    def _scored(self, states: Tensor, targets: Tensor) -> Tensor:
        logits = self.backbone.logits(states)
        # Of no token: a zero that still has gradients, which processes that share them wait for.
        return F.cross_entropy(logits, targets, reduction="sum") if len(targets) else logits.sum()


@contextlib.contextmanager
def _as_frozen(part: nn.Module) -> Iterator[None]:
    """Leave gradients and autocast out of a block where nothing of `part` is trained."""
    if any(p.requires_grad for p in part.parameters()):
        yield
        return
    device = next((p.device.type for p in part.parameters()), "cpu")
    with torch.no_grad(), torch.autocast(device, enabled=False):
        yield


def cast_parameters(model: nn.Module, dtype: torch.dtype) -> None:
    """Change the dtype of parameters alone: rotary frequencies and other buffers stay float32."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)


def _check_count(pictures: int, frames: int) -> None:
    if pictures != frames:
        raise FusionError(
            f"{pictures} pictures came with {frames} geometry frames",
            fix="this model fuses geometry: give each picture's uncropped frame, or load it without geometry",
        )


def _check_pictures(inputs: ModelInputs, image_token_id: int) -> None:
    """Refuse a batch whose placeholders, pictures and geometry frames do not belong together, sample by sample."""
    places = _places(inputs, image_token_id)
    grids = torch.empty(0, 3, dtype=torch.long) if inputs.grid_thw is None else inputs.grid_thw
    if inputs.pixel_values is None and (any(places) or any(len(frames) for frames in inputs.geometry_frames)):
        raise FusionError("the prompt holds image tokens or frames, and no pixels came with it", fix=_FIX)
    if not inputs.geometry_frames:
        return
    if len(inputs.geometry_frames) != len(places):
        raise FusionError(f"{len(places)} samples came with {len(inputs.geometry_frames)} sets of frames", fix=_FIX)
    start = 0
    for row, frames in enumerate(inputs.geometry_frames):
        tokens = int(grids[start : start + len(frames)].prod(dim=1).sum()) // MERGE**2
        if tokens != places[row]:
            raise FusionError(
                f"sample {row} has {places[row]} image tokens, its {len(frames)} frames give {tokens}", fix=_FIX
            )
        start += len(frames)


def _places(inputs: ModelInputs, image_token_id: int) -> list[int]:
    """Return how many image tokens each sample has: a row, or a segment of a packed one."""
    hits = inputs.input_ids == image_token_id
    if inputs.segments is None:
        return [int(count) for count in hits.sum(dim=1)]
    numbered = zip(hits, inputs.segments, strict=True)
    return [int(row[of == one].sum()) for row, of in numbered for one in range(int(of.max()) + 1)]


def build_empty(config: ModelConfig, backbone_config: dict[str, object]) -> VGLLM:
    """Build on the meta device: every name and shape, no memory."""
    backbone_class = get_backbone(config.backbone)
    with torch.device("meta"):
        return VGLLM(config, backbone_class.empty(backbone_class.read_config(backbone_config)))
