"""The cache of encoders' features: what a name stands for, whole files or none, mapped and not copied."""

import errno
import hashlib
import json
import multiprocessing
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from vgcli_core.errors import CheckpointError, OutputError
from vgcli_core.model import feature_cache
from vgcli_core.model.feature_cache import (
    PREPROCESSING,
    FeatureCache,
    digest_of,
    encoders_fingerprint,
    feature_bytes,
    free_space,
)
from vgcli_core.model.pixels import prepare_pixels
from vgcli_core.model.tiny import tiny_model
from vgcli_core.model.vgllm import Features

GRID = torch.tensor([[1, 4, 6], [1, 4, 6]])


def features(dtype: torch.dtype = torch.float32, *, geometry: bool = True) -> Features:
    """Two frames of 4 x 6 patches: 12 merged tokens of 8 numbers, 48 patches of 10."""
    torch.manual_seed(0)
    return Features(torch.randn(12, 8).to(dtype), torch.randn(2, 4, 6, 10).to(dtype) if geometry else None, GRID)


@pytest.fixture
def cache(tmp_path) -> FeatureCache:
    return FeatureCache(tmp_path, fingerprint="f" * 64)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("geometry", [True, False])
def test_what_is_read_is_what_was_written_bit_for_bit(cache, dtype, geometry):
    written = features(dtype, geometry=geometry)
    assert not cache.has("key")
    size = cache.write("key", written)
    assert size == cache.path("key").stat().st_size
    assert cache.has("key")
    assert torch.equal(cache.grid("key"), GRID)
    found = cache.read("key")
    assert found.image.dtype == dtype
    assert torch.equal(found.image, written.image)
    assert torch.equal(found.grid_thw, GRID)
    if geometry:
        assert torch.equal(found.geometry, written.geometry)
    else:
        assert found.geometry is None


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel which file an address belongs to")
def test_what_is_read_lies_in_the_file_and_not_in_memory(cache):
    cache.write("key", features())
    found = cache.read("key")
    spans = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(str(cache.path("key"))):
            spans.append([int(end, 16) for end in line.split()[0].split("-")])
    for tensor in (found.image, found.geometry):
        assert any(start <= tensor.data_ptr() < end for start, end in spans)


def test_a_key_depends_on_the_frames_the_encoders_and_the_preprocessing(tmp_path, monkeypatch):
    first = FeatureCache(tmp_path, fingerprint="a" * 64)
    assert first.key("x") == FeatureCache(tmp_path / "elsewhere", fingerprint="a" * 64).key("x")
    keys = {first.key("x"), first.key("y"), FeatureCache(tmp_path, fingerprint="b" * 64).key("x")}
    monkeypatch.setattr(feature_cache, "PREPROCESSING", PREPROCESSING + 1)
    assert len(keys | {first.key("x")}) == 4


def test_the_fingerprint_depends_on_all_that_features_depend_on_and_on_nothing_else(monkeypatch):
    def fingerprint(*, dtype=torch.float32, change=None, window=56, **choices):
        model, _ = tiny_model(seed=0, dtype=dtype, **choices)
        model.feature_dtype = dtype
        model.backbone.model.config.vision_config.window_size = window  # which no weight shows
        if change is not None:
            with torch.no_grad():
                next(change(model).parameters()).view(-1)[0] += 1
        return encoders_fingerprint(model)

    same = fingerprint()
    # What is trained on top of the features does not count.
    assert fingerprint(change=lambda m: m.geometry_merger) == same
    assert fingerprint(change=lambda m: m.backbone.language_model) == same
    found = [
        same,
        fingerprint(change=lambda m: m.backbone.vision),
        fingerprint(change=lambda m: m.backbone.vision.merger),
        fingerprint(change=lambda m: m.geometry_encoder),
        fingerprint(window=112),
        fingerprint(reference_frame="last"),
        fingerprint(frame_width=280),
        fingerprint(dtype=torch.bfloat16),
        fingerprint(geometry_encoder="pi3"),
        fingerprint(geometry_encoder="none"),
    ]
    monkeypatch.setattr(feature_cache, "PREPROCESSING", PREPROCESSING + 1)
    found.append(fingerprint())
    assert len(set(found)) == len(found)


def test_the_fingerprint_depends_on_the_dtype_that_features_leave_in():
    model, _ = tiny_model(seed=0)
    before = encoders_fingerprint(model)
    model.feature_dtype = torch.bfloat16
    assert encoders_fingerprint(model) != before


def test_a_folder_says_which_model_it_is_of(cache):
    model, _ = tiny_model(seed=0)
    cache.describe(model)
    about = json.loads((cache.folder / "about.json").read_text())
    assert about["fingerprint"] == "f" * 64
    assert (about["geometry_encoder"], about["reference_frame"], about["frame_width"]) == ("vggt", "first", 140)


def wrong_shapes() -> dict[str, dict[str, torch.Tensor]]:
    right = {"image": torch.zeros(12, 8), "geometry": torch.zeros(2, 4, 6, 10), "grid_thw": GRID}
    return {
        "too few tokens": right | {"image": torch.zeros(11, 8)},
        "geometry of another size": right | {"geometry": torch.zeros(2, 4, 5, 10)},
        "geometry of another number of frames": right | {"geometry": torch.zeros(1, 4, 6, 10)},
        "a grid of one number": right | {"grid_thw": torch.tensor(7)},
        "an empty grid": right | {"grid_thw": GRID[:0], "image": torch.zeros(0, 8)},
        "no grid": {"image": right["image"]},
        "no tokens": {"grid_thw": GRID},
    }


@pytest.mark.parametrize("what", ["truncated", "header cut", "empty", "garbage", "folder", *wrong_shapes()])
def test_a_damaged_file_counts_as_absent_and_is_written_anew(cache, what):
    cache.write("key", features())
    path = cache.path("key")
    data = path.read_bytes()
    if what in wrong_shapes():
        save_file(wrong_shapes()[what], path)
    else:
        damaged = {"truncated": data[:-1], "header cut": data[:40], "empty": b"", "garbage": b"garbage " * 99}
        path.unlink()
        if what != "folder":
            path.write_bytes(damaged[what])
    assert not cache.has("key")
    with pytest.raises(CheckpointError, match="missing or damaged"):
        cache.grid("key")
    cache.write("key", features())
    assert torch.equal(cache.read("key").image, features().image)


@pytest.mark.parametrize("data", [b"", b"garbage " * 99])
def test_reading_a_damaged_file_says_what_to_do(cache, data):
    cache.path("key").parent.mkdir(parents=True)
    cache.path("key").write_bytes(data)
    with pytest.raises(CheckpointError, match="missing or damaged") as caught:
        cache.read("key")
    assert "run again" in caught.value.fix


def test_a_full_disk_leaves_nothing(cache, tmp_path, monkeypatch):
    def full(tensors, path):
        path.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(feature_cache, "write_tensors", full)
    with pytest.raises(OutputError, match="No space left"):
        cache.write("key", features())
    assert names(tmp_path) == []
    assert not cache.has("key")


def write_often(cache: FeatureCache) -> None:
    for _ in range(20):
        cache.write("key", features())


def test_two_processes_may_write_the_same_features(cache):
    # A fork, where there is one, imports nothing anew.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    both = [context.Process(target=write_often, args=(cache,)) for _ in range(2)]
    for process in both:
        process.start()
    while any(process.is_alive() for process in both):
        # Whoever looks meanwhile sees nothing, or all of it.
        if cache.has("key"):
            assert torch.equal(cache.read("key").image, features().image)
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert names(cache.folder) == [cache.path("key").name]


def test_a_cache_may_be_sent_to_another_process(cache):
    cache.write("key", features())
    again = pickle.loads(pickle.dumps(cache))
    assert again.key("x") == cache.key("x")
    assert torch.equal(again.read("key").image, features().image)


def test_a_cache_below_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        FeatureCache(tmp_path / "file", fingerprint="f" * 64).write("key", features())
    with pytest.raises(OutputError):
        free_space(tmp_path / "file")


def test_other_pixels_need_another_number():
    """Features made of other pixels must not be found: raise PREPROCESSING, then pin the new checksum to it."""
    y, x = np.mgrid[:48, :64]
    picture = np.stack([x * 4 % 256, y * 5 % 256, (x + y) * 2 % 256], axis=-1).astype(np.uint8)
    tall = np.ascontiguousarray(picture.transpose(1, 0, 2))
    digest = hashlib.sha256()
    for image in (picture, tall):
        pixels = prepare_pixels([image], width=84)
        digest.update(str(pixels.grid_thw.tolist()).encode())
        # As bytes 0 to 255 and in steps of 1/50: the last bit of a float is the processor's affair.
        digest.update((pixels.geometry_frames * 255).round().to(torch.uint8).numpy().tobytes())
        digest.update((pixels.pixel_values.double() * 50).round().to(torch.int16).numpy().tobytes())
    assert (PREPROCESSING, digest.hexdigest()[:16]) == (1, "f7532574a8b0b805")


def test_a_checksum_of_pixels_depends_on_every_byte_and_on_the_shape():
    frames = torch.arange(2 * 4 * 6 * 3, dtype=torch.uint8).view(2, 4, 6, 3)
    changed = frames.clone()
    changed[1, 3, 5, 2] += 1
    found = [digest_of(frames), digest_of(changed), digest_of(frames.flip(0)), digest_of(frames.view(2, 6, 4, 3))]
    assert len(set(found)) == 4
    assert digest_of(frames.clone()) == found[0]


def test_the_forecast_is_what_is_written(cache):
    # 64 x 48 pixels become 84 x 63 -> 56 or 70 rows (whole patches): 48 * 84 / 64 / 14 = 4.5, which rounds to 4.
    model, _ = tiny_model(seed=0, frame_width=84)
    pixels = prepare_pixels([np.zeros((48, 64, 3), dtype=np.uint8)] * 3, width=84)
    found = model.encode(pixels.pixel_values, pixels.grid_thw, pixels.geometry_frames)
    size = cache.write("key", found)
    dims = {"image_dim": model.backbone.hidden_size, "geometry_dim": model.geometry_encoder.dim}
    expected = feature_bytes(3, 48, 64, frame_width=84, dtype=torch.float32, **dims)
    assert expected == 3 * (4 * 6 // 4 * 64 + 4 * 6 * 96) * 4
    assert expected <= size <= expected + 600  # the file's head


def test_the_forecast_at_full_size_is_the_known_one():
    # 640 x 480 is seen at 518 x 392: 28 x 37 patches, cut to 28 x 36, and 14 x 18 merged tokens.
    one = feature_bytes(32, 480, 640, image_dim=2048, geometry_dim=2048)
    assert one == 32 * (14 * 18 + 28 * 36) * 2048 * 2
    assert one == pytest.approx(0.17e9, rel=0.03)
    # ScanRefer's training scans; 95 GB if the last column of patches, which nobody reads, were kept too.
    assert 562 * one == pytest.approx(92.8e9, rel=0.001)
    assert pytest.approx(95e9, rel=0.002) == 562 * 32 * (14 * 18 + 28 * 37) * 2048 * 2
