"""What every dataset says that it needs: of whom, on which terms, and met by files alone, where the readers look."""

from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import scipy.sparse

from tests.unit.data.harness import request_for
from vgcli_core.data.base import Need
from vgcli_core.data.check import statuses
from vgcli_core.data.raw import frames, object_boxes, proposals, scannet
from vgcli_core.data.sources import DATASETS, scannet_scans
from vgcli_core.errors import DataError

SCENE = "scene0000_00"


def needs() -> list[tuple[str, Need]]:
    """Every need of every dataset, with any option that changes what is needed."""
    found = {}
    for name, dataset in DATASETS.items():
        choices = next((option.choices for option in dataset.options if option.name == "annotations"), ("",))
        for choice in choices:
            options = {"annotations": choice} if choice else {}
            for need in dataset.needs(request_for(dataset, Path("nowhere"), *dataset.splits, options=options)):
                found[f"{name}: {need.what}"] = need
    return list(found.items())


NEEDS = needs()


def example(place: str) -> PurePosixPath:
    """A path that a pattern matches."""
    for sign, text in (("**/", ""), ("[0-9]", "0"), ("jp*g", "jpeg"), ("chunk_*", "chunk_0"), ("*", SCENE)):
        place = place.replace(sign, text)
    return PurePosixPath(place)


@pytest.mark.parametrize("need", [need for _, need in NEEDS], ids=[name for name, _ in NEEDS])
def test_a_need_says_on_which_terms_of_whom_and_is_met_by_files_and_not_by_their_folders(need, tmp_path):
    assert need.terms and need.owner and need.url.startswith("https://")
    for number, place in enumerate(need.places):
        path = tmp_path / str(number) / example(place)
        assert path.suffix, f"{place} names no file"
        path.parent.mkdir(parents=True)
        if any(sign in place for sign in "*?["):
            assert need.find(tmp_path / str(number)) == []
        path.touch()
        assert need.find(tmp_path / str(number)) == [path]


def test_every_dataset_that_needs_files_says_how_large_it_will_be_and_that_this_is_an_estimate():
    for dataset in DATASETS.values():
        if dataset.needs(request_for(dataset, Path("nowhere"))):
            assert "estimate" in dataset.whole, dataset.name


def test_frames_and_recordings_are_read_wherever_their_need_is_met(tmp_path):
    name = f"scannet/posed_images/{SCENE}/00000.jpg"
    for number, place in enumerate(scannet_scans.FRAMES.places):
        raw = tmp_path / str(number)
        stem = "00000" if place.endswith(".jpg") else SCENE
        path = raw / place.replace("*/*", f"{SCENE}/{stem}")
        path.parent.mkdir(parents=True)
        path.touch()
        source = frames.frame_source(raw, name)
        assert source == path if place.endswith(".jpg") else source.args[0] == path


def test_boxes_and_proposals_are_read_wherever_their_need_is_met(tmp_path):
    for number, place in enumerate((*scannet_scans.OBJECTS.places, *scannet_scans.PROPOSALS.places)):
        raw = tmp_path / str(number)
        folders, _, file = place.rpartition("/")
        folders = folders.replace("*", SCENE if place.endswith(".ply") else "train")
        path = raw / folders / file.replace("*", SCENE)
        path.parent.mkdir(parents=True)
        path.touch()
        readers = (
            scannet.scene_file(raw, SCENE, "_vh_clean_2.ply"),
            object_boxes.prepared_file(raw, SCENE),
            proposals.mask_file(raw, SCENE),
            proposals.ready_file(raw),
        )
        assert path in readers, place


def test_recordings_are_not_taken_for_extracted_frames(tmp_path):
    """A newcomer put them into the folder of extracted ones."""
    path = tmp_path / "scannet" / "posed_images" / SCENE / f"{SCENE}.sens"
    path.parent.mkdir(parents=True)
    path.touch()
    request = request_for(DATASETS["scanrefer"], tmp_path)
    (status,) = [one for one in statuses(DATASETS["scanrefer"], request) if one.need == scannet_scans.FRAMES]
    assert status.missing and status.need.places[0] == "scannet/scans/*/*.sens"
    with pytest.raises(DataError, match="recordings"):
        status.need.require(tmp_path)


def test_one_mask_of_many_is_looked_for(tmp_path):
    folder = tmp_path / "scannet" / "mask"
    folder.mkdir(parents=True)
    for number in range(3):
        scipy.sparse.save_npz(folder / f"scene{number:04}_00.mask.npz", scipy.sparse.csr_matrix(np.eye(2)))
    assert len(scannet_scans.PROPOSALS.find(tmp_path)) == 1
