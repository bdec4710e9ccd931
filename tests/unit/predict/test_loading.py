"""Which model a name means: what is built in, what is asked for, and what happens where the demo model is missing."""

import json
import shutil

import pytest

from vgcli_core.errors import CheckpointError, UsageError
from vgcli_core.model.save import save_model
from vgcli_core.model.tiny import tiny_model
from vgcli_core.predict import loading
from vgcli_core.predict.loading import DEMO, MODEL_VARIABLE, SHIPPED, TINY, find_model, load


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch):
    monkeypatch.delenv(MODEL_VARIABLE, raising=False)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    model, tokenizer = tiny_model()
    return save_model(model, tmp_path_factory.mktemp("models") / "model", tokenizer=tokenizer)


@pytest.fixture
def shipped(saved, monkeypatch):
    """Another small model in the place of the one that ships."""
    monkeypatch.setattr(loading, "SHIPPED", saved)
    return saved


@pytest.fixture
def stripped(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "SHIPPED", tmp_path / "shipped" / "rooms")


def test_the_model_that_ships_is_the_default_and_says_what_it_knows(shipped):
    predictor = load(device="cpu")
    info = predictor.info()
    assert (info.name, info.path) == ("demo (synthetic rooms)", str(shipped))
    assert predictor.report.notes[0] == "the demo model knows synthetic rooms only; give --model for real videos"


def test_the_model_that_ships_assumes_the_cameras_of_rooms_unless_its_files_say_otherwise(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "SHIPPED", saved)
    assert load(device="cpu").model.config.horizontal_fov == 75
    assert load(saved, device="cpu").model.config.horizontal_fov == 75
    other = shutil.copytree(saved, tmp_path / "other")
    assert load(other, device="cpu").model.config.horizontal_fov is None
    plain = json.loads((other / "vgllm.json").read_text(encoding="utf-8"))
    (other / "vgllm.json").write_text(json.dumps({**plain, "horizontal_fov": 68.5}), encoding="utf-8")
    monkeypatch.setattr(loading, "SHIPPED", other)
    assert load(device="cpu").model.config.horizontal_fov == 68.5


def test_a_checkpoint_from_before_the_field_of_view_was_written_loads(saved, tmp_path):
    old = shutil.copytree(saved, tmp_path / "old")
    plain = json.loads((old / "vgllm.json").read_text(encoding="utf-8"))
    del plain["horizontal_fov"]
    (old / "vgllm.json").write_text(json.dumps(plain), encoding="utf-8")
    assert load(old, device="cpu").model.config.horizontal_fov is None
    (old / "vgllm.json").write_text(json.dumps({**plain, "horizontal_fov": 180}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="horizontal_fov"):
        load(old, device="cpu")


def test_a_stripped_installation_answers_with_a_random_model_and_says_so(stripped):
    predictor = load(device="cpu")
    assert predictor.info().name == "tiny (random, untrained)"
    assert predictor.info().untrained
    assert ["this installation lacks the demo model" in note for note in predictor.report.notes] == [True]
    with pytest.raises(CheckpointError, match="lacks the demo model"):
        load(DEMO, device="cpu")


def test_the_random_model_can_be_asked_for(shipped):
    predictor = load(TINY, device="cpu")
    assert predictor.info().untrained
    assert predictor.report.notes == ()


def test_the_environment_names_the_model_unless_one_is_given(shipped, tmp_path, monkeypatch):
    monkeypatch.setenv(MODEL_VARIABLE, TINY)
    assert find_model(None) == (TINY, None)
    assert find_model(DEMO) == (DEMO, shipped)
    assert load(device="cpu").report.notes == ()
    monkeypatch.setenv(MODEL_VARIABLE, "")
    assert find_model(None) == (DEMO, shipped)


def test_a_folder_goes_before_what_is_built_in(saved, shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(saved, TINY)
    assert find_model(TINY)[1].samefile(tmp_path / TINY)
    assert load(TINY, device="cpu").info().name == TINY
    assert find_model(None) == (DEMO, shipped)


@pytest.mark.parametrize("name", [None, DEMO, TINY])
def test_a_geometry_encoder_joins_nothing_that_is_built_in(shipped, name):
    with pytest.raises(UsageError, match="--geometry needs a model"):
        load(name, geometry="vggt", device="cpu")


def test_the_model_that_ships_fits_in_the_repository_and_can_be_asked_offline():
    if not (SHIPPED / "model.safetensors").is_file():
        pytest.skip("the demo model is not in this clone: vgcli_core/shipped/rooms holds no model.safetensors")
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 15_000_000
    predictor = load(offline=True, device="cpu")
    assert predictor.info().path == str(SHIPPED)
    assert not predictor.info().untrained
    assert predictor.model.config.num_frames == 4
