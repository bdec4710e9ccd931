"""Archives read from front to end: any cut gives the same members, and any damage an error that names the piece."""

import gzip
import io
import random
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from vgcli_core.data.raw.tar_stream import read_members
from vgcli_core.errors import DataError

CONTENTS = {f"a/{number}.bin": random.Random(number).randbytes(700 + number) for number in range(40)}


def tar_bytes(mode: str, contents: dict[str, bytes] = CONTENTS) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        folder = tarfile.TarInfo("./a")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in contents.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return target.getvalue()


def cut(folder: Path, data: bytes, places: list[int]) -> list[Path]:
    paths = []
    for number, (start, stop) in enumerate(zip([0, *places], [*places, len(data)], strict=True)):
        paths.append(folder / f"piece-{number}")
        paths[-1].write_bytes(data[start:stop])
    return paths


def contents(paths: list[Path]) -> dict[str, bytes]:
    return {member.name: member.read(10_000) for member in read_members(paths)}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("seed", range(5))
def test_pieces_cut_anywhere_give_all_members(tmp_path, mode, seed):
    data = tar_bytes(mode)
    # Piece of one byte and empty ones too.
    places = sorted([1, *random.Random(seed).choices(range(len(data)), k=6), len(data)])
    assert contents(cut(tmp_path, data, places)) == CONTENTS


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_members_can_be_skipped_and_lines_read(tmp_path, mode):
    paths = cut(tmp_path, tar_bytes(mode, {"x": b"1\n2\n3", "y": b"never read", "z": b"\n"}), [])
    found = {member.name: list(member.lines()) for member in read_members(paths) if member.name != "y"}
    assert found == {"x": [b"1\n", b"2\n", b"3"], "z": [b"\n"]}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("read", [True, False])
def test_an_archive_cut_off_anywhere_is_an_error(tmp_path, mode, read):
    data = tar_bytes(mode)
    end = len(data.rstrip(b"\x00")) if mode == "w" else len(data)  # a plain tar ends in zeros that say nothing
    for size in [0, 1, 511, 512, 1024, 1536, 2048, *range(3000, end, 2999), end - 1]:
        paths = cut(tmp_path, data[:size], [size // 2])
        with pytest.raises(DataError, match="damaged or cut off"):
            contents(paths) if read else list(read_members(paths))


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_damaged_header_is_not_taken_for_the_end(tmp_path, mode):
    data = bytearray(tar_bytes("w"))
    data[data.index(b"./a/7.bin")] ^= 1  # the header's checksum no longer holds
    packed = gzip.compress(data) if mode == "w:gz" else bytes(data)
    with pytest.raises(DataError, match="damaged or cut off"):
        contents(cut(tmp_path, packed, []))


def test_a_piece_that_is_missing_is_noticed_while_a_member_is_read(tmp_path):
    paths = cut(tmp_path, tar_bytes("w:gz"), [9000, 15000])
    with pytest.raises(DataError) as caught:
        contents([paths[0], paths[2]])
    assert "piece-" in caught.value.what
    assert "download" in caught.value.fix


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\..\\x", "c:/x", "a/\x01"])
def test_names_that_lead_out_are_refused(tmp_path, name):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(DataError, match="unsafe name"):
        list(read_members(cut(tmp_path, target.getvalue(), [])))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_skipped(tmp_path, kind):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        member = tarfile.TarInfo("link")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    assert list(read_members(cut(tmp_path, target.getvalue(), []))) == []


def test_a_member_that_is_larger_than_expected_is_refused_before_it_is_read(tmp_path):
    (member,) = read_members(paths := cut(tmp_path, tar_bytes("w", {"x": bytes(101)}), []))
    assert member.size == 101
    with pytest.raises(DataError, match="101 bytes"):
        [one.read(100) for one in read_members(paths)]


def test_memory_does_not_grow_with_members(tmp_path):
    paths = cut(tmp_path, tar_bytes("w:gz", {f"{number}": b"x" for number in range(20_000)}), [5000])
    tracemalloc.start()
    assert sum(1 for _ in read_members(paths)) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000  # blocks of a megabyte; 20,000 remembered members alone would take over 10 MB
