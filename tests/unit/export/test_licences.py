"""What may be done with a checkpoint follows from its parts; what is not known is said, never guessed."""

import pytest

from tests.unit.export.records import run_of
from vgcli_core.data.sources import DATASETS
from vgcli_core.export.licences import data_terms, licence_of, verdict
from vgcli_core.export.provenance import Part, Provenance

QWEN_3B = Part(part="backbone", name="Qwen/Qwen2.5-VL-3B-Instruct", identified=True)
QWEN_7B = Part(part="backbone", name="Qwen/Qwen2.5-VL-7B-Instruct", identified=True)
VGGT = Part(part="geometry encoder", name="facebook/VGGT-1B", identified=True)
VGGT_COMMERCIAL = Part(part="geometry encoder", name="facebook/VGGT-1B-Commercial", identified=True)
FOLDER = Part(part="backbone", name="Qwen2.5-VL-7B-Instruct")
DRAWN = (Part(part="backbone", drawn=True), Part(part="geometry encoder", drawn=True))


def decide(*parts: Part, runs=(), published=""):
    return verdict(Provenance(parts=parts, runs=runs, published=published), parts)


def test_one_part_that_forbids_commercial_use_decides_for_the_whole():
    assert "**No commercial use**: the licence of the geometry encoder forbids it" in decide(QWEN_7B, VGGT).words
    both = decide(QWEN_3B, VGGT)
    assert "licences of the backbone and the geometry encoder forbid it" in both.words
    assert both.hub == "other"


def test_parts_that_allow_it_leave_it_to_their_terms_and_to_the_data():
    found = decide(QWEN_7B, VGGT_COMMERCIAL, runs=(run_of("scanrefer"),))
    assert "allow commercial use, under their terms" in found.words
    assert "terms of the training data" in found.words
    assert decide(QWEN_7B).hub == "apache-2.0"
    assert "On what it was trained is not recorded" in decide(QWEN_7B).words


def test_a_folders_name_is_no_licence():
    assert licence_of(FOLDER) is None
    found = decide(FOLDER, VGGT)
    assert "Not known: the backbone" in found.words
    assert "**No commercial use**" in found.words
    assert "allow" not in found.words
    assert decide(FOLDER).hub == "unknown"


def test_what_a_publisher_adds_is_not_known():
    assert "what zd11024/vgllm-qa-vggt-4b adds" in decide(QWEN_3B, VGGT, published="zd11024/vgllm-qa-vggt-4b").words


def test_weights_that_were_drawn_and_rooms_belong_to_nobody_else():
    found = decide(*DRAWN, runs=(run_of("rooms"),))
    assert (found.words, found.hub) == ("No weights of others are in it.", "")


def test_terms_of_data_are_those_that_prepare_states():
    terms, strangers = data_terms([run_of("scanrefer", "rooms", "my_set")])
    assert strangers == ("my_set",)
    assert terms["rooms"] == ()
    said = " ".join(one.terms for one in terms["scanrefer"])
    assert "ScanRefer Terms of Use" in said
    assert "CC BY-NC-SA 4.0" in said
    assert all(one.url.startswith("https://") for one in terms["scanrefer"])


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_every_dataset_has_terms_or_is_made_by_vgllm(name):
    terms, _ = data_terms([run_of(name, split=split) for split in DATASETS[name].splits])
    assert (len(terms[name]) > 0) == (name != "rooms")
