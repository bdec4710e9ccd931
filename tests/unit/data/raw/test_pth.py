"""`.pth` files without torch: what torch.save writes comes back as numpy arrays, anything else is refused."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from vgcli_core.data.raw.pth import load_pth
from vgcli_core.errors import DataError


class Calls:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def archive(path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as out:
        for name, data in members.items():
            out.writestr(name, data)
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_numpy_arrays_that_torch_stored_come_back(tmp_path, protocol):
    stored = {"aabb_obj_ids": np.array([3, 7]), "aabb_corner_xyz": np.arange(48, dtype=np.float32).reshape(2, 8, 3)}
    torch.save(stored, tmp_path / "a.pth", pickle_protocol=protocol)
    found = load_pth(tmp_path / "a.pth")
    assert list(found) == list(stored)
    for key, value in stored.items():
        assert found[key].dtype == value.dtype
        np.testing.assert_array_equal(found[key], value)


def test_tensors_come_back_as_arrays_whatever_their_type_and_strides(tmp_path):
    base = torch.arange(24)
    tensors = [
        *(
            torch.arange(6).reshape(2, 3).to(kind)
            for kind in (torch.float32, torch.float64, torch.float16, torch.int64)
        ),
        *(torch.arange(6).to(kind) for kind in (torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)),
        *(base.reshape(4, 6).T, base[5:9], base.reshape(2, 3, 4)[:, 1], torch.tensor(2.5), torch.empty(0, 3)),
    ]
    torch.save({"list": tensors, "name": "x"}, tmp_path / "a.pth")
    found = load_pth(tmp_path / "a.pth")
    assert found["name"] == "x"
    for one, tensor in zip(found["list"], tensors, strict=True):
        assert one.dtype == tensor.numpy().dtype and one.shape == tuple(tensor.shape)
        np.testing.assert_array_equal(one, tensor.numpy())


def test_a_tensor_that_shows_one_number_many_times_is_refused(tmp_path):
    torch.save(torch.zeros(1).expand(1 << 40), tmp_path / "a.pth")
    with pytest.raises(DataError, match="in 1 numbers"):
        load_pth(tmp_path / "a.pth")


def test_code_in_a_pth_file_is_refused_and_not_run(tmp_path, monkeypatch):
    torch.save({"a": Calls(os.getcwd)}, tmp_path / "a.pth")
    monkeypatch.setattr(os, "getcwd", lambda: pytest.fail("it ran"))
    with pytest.raises(DataError, match="getcwd"):
        load_pth(tmp_path / "a.pth")


def test_a_model_of_torch_is_refused_by_name(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "a.pth")
    with pytest.raises(DataError, match=r"names torch\.nn\.modules\.linear\.Linear"):
        load_pth(tmp_path / "a.pth")


def test_damaged_and_other_files_are_named(tmp_path):
    torch.save({"a": torch.ones(1000)}, tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    path = tmp_path / "cut.pth"
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"cut\.pth"):
            load_pth(path)
    with pytest.raises(DataError, match=r"missing\.pth"):
        load_pth(tmp_path / "missing.pth")
    torch.save({"a": torch.ones(3)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(DataError, match="no zip archive, as torch writes them since"):
        load_pth(tmp_path / "old.pth")
    with pytest.raises(DataError, match="has 0 members"):
        load_pth(archive(tmp_path / "b.pth", {"x/other.pkl": b""}))
    with pytest.raises(DataError, match="has 2 members"):
        load_pth(archive(tmp_path / "c.pth", {"x/data.pkl": b"", "y/data.pkl": b""}))


def test_numbers_that_are_missing_or_too_few_are_named(tmp_path):
    torch.save({"a": torch.ones(10)}, tmp_path / "a.pth")
    with zipfile.ZipFile(tmp_path / "a.pth") as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    key = next(name for name in members if name.endswith("data/0"))
    with pytest.raises(DataError, match="more numbers in data/0 than there are"):
        load_pth(archive(tmp_path / "short.pth", {**members, key: bytes(39)}))
    del members[key]
    with pytest.raises(DataError, match="lacks its member"):
        load_pth(archive(tmp_path / "none.pth", members))


def test_a_zip_bomb_is_refused_before_it_is_inflated(tmp_path):
    pickled = pickle.dumps(b"\x00" * 50_000_000, 4)
    bomb = archive(tmp_path / "bomb.pth", {"x/data.pkl": pickled}, zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 200_000
    with pytest.raises(DataError, match="bytes become 50,"):
        load_pth(bomb)


def test_a_size_that_lies_is_not_believed(tmp_path):
    """The directory says 10 bytes, the stream holds a million: zipfile stops at 10 and checks the sum."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("x/data.pkl", pickle.dumps(b"\x00" * 1_000_000, 4))
    data = bytearray(buffer.getvalue())
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (10).to_bytes(4, "little")
    (tmp_path / "a.pth").write_bytes(data)
    with pytest.raises(DataError):
        load_pth(tmp_path / "a.pth")
