"""Fill a cache of features: every distinct list of frames of a mixture is encoded once, by one of the processes."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from vgcli_core.data.frames_digest import frames_digest
from vgcli_core.data.mixture import Mixture
from vgcli_core.errors import ResourceError, VgllmError
from vgcli_core.media.images import Pixels
from vgcli_core.model.feature_cache import FeatureCache, feature_bytes, free_space
from vgcli_core.model.pixels import fit_frames, pixels_of
from vgcli_core.model.processor import Processor
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.training.progress import Watch

_SAY_EVERY = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Filled:
    """What is in the cache for a mixture.

    Attributes:
        lists: distinct lists of frames.
        samples: that show them.
        reused: lists that were there before.
        bytes: of all of them, as forecast.
        bad: lists that cannot be read; their samples are reported when they are trained on.
    """

    lists: int
    samples: int
    reused: int
    bytes: int
    bad: int


def fill(
    model: VGLLM,
    mixtures: Sequence[Mixture],
    processor: Processor,
    cache: FeatureCache,
    *,
    limit: int,
    rank: int = 0,
    world: int = 1,
    watch: Watch,
) -> Filled:
    """Encode the frame lists that the cache lacks; each process takes its share, and what is written stays.

    Args:
        model: whose encoders are frozen.
        mixtures: their samples' frames.
        processor: for the width of frames.
        cache: of this model.
        limit: bytes that this mixture's features may take.
        rank, world: this process among all.
        watch: told how far it is.

    Raises:
        ResourceError: the features would take more than `limit`, or than the disk has; nothing is encoded then.
        OutputError: the cache cannot be written.
    """
    watch.doing("looking which frames there are")
    lists, samples, bad = _lists(mixtures)
    places = {cache.key(digest): place for digest, place in lists.items()}
    there = {key for key in places if cache.has(key)}
    sizes = _sizes(model, mixtures, places, processor)
    whole, new = sum(sizes.values()), sum(size for key, size in sizes.items() if key not in there)
    watch.say(
        f"features of {len(lists)} lists of frames, {samples / max(len(lists), 1):.1f} samples each: about "
        f"{whole / 1e9:.2f} GB, {len(there)} are there"
    )
    if lists and samples < 2 * len(lists):
        watch.say(
            "few samples share their frames, so there is little to save: `vgllm prepare ... --frames fixed` gives all "
            "samples of a scene the same ones"
        )
    if others := cache.others():
        watch.say(f"features of other encoders are there too, and not used: {', '.join(one.name for one in others)}")
    _check_room(cache, whole, new, limit)
    if len(there) < len(lists) and rank == 0:
        cache.describe(model)
    # Shares of all lists: another process may have written some of its own before this one looked.
    own = [key for key in list(places)[rank::world] if key not in there]
    started = said = time.monotonic()
    for number, key in enumerate(own):
        try:
            fitted = fit_frames(_read(mixtures, places[key]), width=processor.frame_width)
        except VgllmError:
            bad += 1
            continue
        pixels = pixels_of(fitted.frames.to(model.device))
        with torch.no_grad():
            features = model.encode(pixels.pixel_values, pixels.grid_thw, pixels.geometry_frames)
        cache.write(key, features)
        now = time.monotonic()
        if now - said >= _SAY_EVERY:
            said = now
            left = (now - started) / (number + 1) * (len(own) - number - 1)
            share = f" of this process's {len(own)} lists" if world > 1 else f" of {len(own)} lists"
            watch.doing(f"encoding frames: {number + 1}{share}, {left / 60:.0f} min left")
    return Filled(len(lists), samples, len(there), whole, bad)


class _Place(NamedTuple):
    """A sample that shows a list of frames: its mixture, its position there and how many frames."""

    mixture: int
    position: int
    frames: int


def _lists(mixtures: Sequence[Mixture]) -> tuple[dict[str, _Place], int, int]:
    """Return the first place of each distinct list by its digest, the samples, and how many lists cannot be read."""
    found: dict[str, _Place] = {}
    bad = 0
    for which, mixture in enumerate(mixtures):
        for index in mixture.firsts():
            try:
                sample = mixture.sample(index)
                found.setdefault(frames_digest(sample, mixture.root(index)), _Place(which, index, len(sample.frames)))
            except VgllmError:
                bad += 1
    return found, sum(int((mixture.frames >= 0).sum()) for mixture in mixtures), bad


def _read(mixtures: Sequence[Mixture], place: _Place) -> list[Pixels]:
    return mixtures[place.mixture].images(place.position)


def _sizes(
    model: VGLLM, mixtures: Sequence[Mixture], places: Mapping[str, _Place], processor: Processor
) -> dict[str, int]:
    """Return about how many bytes each list takes; frames of a set are taken to be as large as its first."""
    frame: dict[Path, int] = {}
    sizes = {}
    for key, place in places.items():
        root = mixtures[place.mixture].root(place.position)
        if root not in frame:
            with suppress(VgllmError):
                height, width = _read(mixtures, place)[0].shape[:2]
                frame[root] = feature_bytes(
                    1,
                    height,
                    width,
                    frame_width=processor.frame_width,
                    image_dim=model.backbone.hidden_size,
                    geometry_dim=model.geometry_encoder.dim,
                    dtype=model.feature_dtype or torch.float32,
                )
        sizes[key] = place.frames * frame.get(root, 0)
    return sizes


def _check_room(cache: FeatureCache, whole: int, new: int, limit: int) -> None:
    free = free_space(cache.folder.parent)
    for need, room, what in ((whole, limit, "--cache-limit allows"), (new, free, "the disk has")):
        if need > room:
            raise ResourceError(
                f"the features need about {need / 1e9:.1f} GB, and {what} {room / 1e9:.1f} GB",
                where=str(cache.folder.parent),
                fix="prepare with --frames fixed, so that samples of a scene share their frames, or with fewer frames; "
                "raise --cache-limit, use a larger disk, or leave --cache-features out",
            )
