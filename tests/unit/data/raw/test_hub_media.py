"""A medium is found among extracted files and in zips, and read from a zip without unpacking the rest."""

import zipfile

import pytest

from vgcli_core.data.raw.hub_media import Place, is_plain, open_library, opened, read_bytes
from vgcli_core.errors import DataError


def make_zip(path, members, kind=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_an_extracted_file_wins_over_a_zip_and_any_suffix_counts(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "abc.MKV").write_bytes(b"file")
    packed = make_zip(tmp_path / "videos.zip", {"data/abc.mp4": b"member", "data/def.MP4": b"other"})
    library = open_library([tmp_path / "none", tmp_path / "data"], [packed])
    assert library.find("abc") == Place(tmp_path / "data" / "abc.MKV")
    assert library.find("def") == Place(packed, "data/def.MP4")
    assert library.find("ghi") is None


@pytest.mark.parametrize("member", ["scannet/scene1.mp4", "scene1.mp4", "videos/scannet/scene1.mp4"])
def test_the_name_of_a_zip_stands_for_the_folder_around_its_members(tmp_path, member):
    packed = make_zip(tmp_path / "scannet.zip", {member: b"x", "__MACOSX/scannet/._scene1.mp4": b"y"})
    assert open_library([], [packed], parts=2).find("scannet/scene1") == Place(packed, member)


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_is_written_to_a_file_that_is_gone_afterwards(tmp_path, kind):
    data = bytes(range(256)) * 4_000
    packed = make_zip(tmp_path / "a.zip", {"data/abc.MP4": data}, kind)
    with opened(Place(packed, "data/abc.MP4")) as path:
        assert path.suffix == ".mp4" and path.read_bytes() == data
    assert not path.exists()
    assert read_bytes(Place(packed, "data/abc.MP4")) == data


def test_an_extracted_file_is_used_where_it_lies(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"x")
    with opened(Place(tmp_path / "a.mp4")) as path:
        assert path == tmp_path / "a.mp4"
    assert path.exists() and read_bytes(Place(path)) == b"x"


@pytest.mark.parametrize("name", ["../evil.mp4", "a/../../evil.mp4", "/etc/evil.mp4", "C:/evil.mp4", "a\\..\\b.mp4"])
def test_a_zip_with_a_member_outside_of_itself_is_refused(tmp_path, name):
    packed = make_zip(tmp_path / "a.zip", {"data/abc.mp4": b"x", name: b"y"})
    with pytest.raises(DataError, match="unsafe name"):
        open_library([], [packed])


@pytest.mark.parametrize("name", ["", ".", "..", "a//b", "/a", "a/", "a/..", "a\\b", "C:a", "a\x00b"])
def test_a_name_that_leaves_its_folder_finds_nothing(tmp_path, name):
    assert not is_plain(name)
    assert open_library([tmp_path], []).find(name) is None


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    packed = make_zip(tmp_path / "a.zip", {"abc.mp4": b"\0" * 30_000_000}, zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="30,000,000"), opened(Place(packed, "abc.mp4")):
        pass


def test_a_member_with_a_wrong_checksum_is_damaged(tmp_path):
    packed = make_zip(tmp_path / "a.zip", {"abc.mp4": b"the right bytes"})
    packed.write_bytes(packed.read_bytes().replace(b"right", b"wrong"))
    with pytest.raises(DataError, match="damaged"), opened(Place(packed, "abc.mp4")):
        pass


def test_a_cut_off_zip_is_named(tmp_path):
    packed = make_zip(tmp_path / "a.zip", {"abc.mp4": b"x" * 1000})
    packed.write_bytes(packed.read_bytes()[:500])
    with pytest.raises(DataError, match=r"a\.zip is no zip, or cut off"):
        open_library([], [packed])
