"""Recipe files: found, inherited, overridden, written out and read back; every mistake is told where it was made."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from vgcli_core.errors import UnknownName, UsageError, VgllmError
from vgcli_core.recipes_folder import recipes_folder
from vgcli_core.training.recipe import Recipe
from vgcli_core.training.recipe_files import fingerprint, load_recipe, recipes, to_yaml

SMALL = "data: {sets: {rooms: {dataset: rooms}}}\n"


@pytest.fixture
def file(tmp_path):
    """Write a recipe and return its path."""

    def write(text: str, name: str = "mine.yaml") -> str:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    return write


def refusal(name: str, *changes: str) -> VgllmError:
    with pytest.raises(VgllmError) as caught:
        load_recipe(name, changes)
    return caught.value


def test_a_wrong_name_gives_the_nearest_and_all_recipes():
    error = refusal("spatail")
    assert isinstance(error, UnknownName)
    assert "did you mean 'spatial'?" in error.fix
    assert all(name in error.fix for name in recipes())


def test_a_path_that_is_not_there_is_told_as_a_path():
    assert refusal("my/recipe.yaml").what == "there is no file my/recipe.yaml"


@pytest.mark.parametrize(
    ("text", "number"), [("1e-5", 1e-5), ("2E+1", 20.0), (".5", 0.5), ("3", 3.0), ("'1e-4'", 1e-4)]
)
def test_a_number_is_read_however_it_is_written(file, text, number):
    assert load_recipe(file(f"{SMALL}optim: {{lr: {text}}}")).optim.lr == number
    assert load_recipe("spatial", [f"optim.lr={text}"]).optim.lr == number


def test_a_whole_number_may_be_written_as_1e2():
    assert load_recipe("spatial", ["batch.size=1e2"]).batch.size == 100


def test_settings_change_one_key_each_and_the_last_one_counts():
    base = load_recipe("spatial")
    changes = [
        "optim.lr=3e-5",
        "data.sets.spar.share=0.5",
        "trained.language_model=lora",
        "start.geometry_weights=null",
        "optim.betas=[0.8, 0.95]",
        "data.sets.llava_hound=null",
        "validation.hold_out=4",
        "validation.hold_out=8",
        'validation.generate=""',
        "batch.packing=yes",
    ]
    changed = load_recipe("spatial", changes)
    assert (changed.optim.lr, changed.optim.betas, changed.optim.warmup) == (3e-5, (0.8, 0.95), base.optim.warmup)
    assert (list(changed.data.sets), changed.data.sets["spar"].share) == (["spar"], 0.5)
    assert (changed.trained.language_model, changed.start.geometry_weights) == ("lora", None)
    assert (changed.validation.hold_out, changed.validation.generate, changed.batch.packing) == (8, "", True)
    assert base.data.sets["spar"].share == 1.0


@pytest.mark.parametrize(
    ("change", "what", "fix"),
    [
        ("optim.lrr=1", "unknown key optim.lrr", "did you mean optim.lr? it is: peak"),
        ("epochs=2", "unknown key epochs", "did you mean run.epochs?"),
        ("otpim.lr=1", "unknown key otpim", "did you mean optim?"),
        ("zzz=1", "unknown key zzz", "known: description, start"),
        ("data.sets.spar.shre=1", "unknown key data.sets.spar.shre", "did you mean data.sets.NAME.share?"),
        ("data.sets.spra.share=1", "data.sets.spra.dataset is missing", "did you mean data.sets.spar?"),
        ("optim.lr=true", "optim.lr is true", "give a number"),
        ("run.zero=false", "run.zero is false", "give a number"),
        ("seed=yes", 'seed is "yes"', "give a whole number"),
        ("optim.betas=[true, 0.9]", "optim.betas is [true, 0.9]", "give a number"),
        ("optim.betas=[0.9]", "optim.betas has too few entries", "give them all"),
        ("optim.betas=[0.9, 1]", "optim.betas.1 is 1", "give a value below 1"),
        ("optim.lr=nan", 'optim.lr is "nan"', "give a finite number"),
        ("optim.lr=1e999", "optim.lr is Infinity", "give a finite number"),
        ("optim.lr=.inf", 'optim.lr is ".inf"', "give a number"),
        ("optim.lr=0", "optim.lr is 0", "give a value above 0"),
        ("optim.lr=fast", 'optim.lr is "fast"', "give a number; optim.lr is: peak"),
        ("optim.lr.x=1", 'optim.lr is {"x": 1}', "give a number"),
        ("optim=3", "optim is 3", "give a table of keys"),
        ("batch.size=1.5", "batch.size is 1.5", "give a whole number"),
        ("batch.micro=65", "batch.micro is 65, more than batch.size, 64", "change one of them"),
        ("start.frame_width=500", "start.frame_width is 500", "give a value a multiple of 14"),
        ("start.weights=7", "start.weights is 7", "in quotes"),
        ("trained.connector=maybe", 'trained.connector is "maybe"', "give true or false"),
        ("trained.language_model=loar", 'trained.language_model is "loar"', "'full', 'lora' or 'none'"),
        ("lora.targets=q_proj", 'lora.targets is "q_proj"', "give a list"),
        ("lora.targets=[]", "lora.targets is []", "give at least 1"),
        ("data.sets=null", "data.sets is null", "give a table of keys"),
        ("data.sets.a b={dataset: rooms}", "a set is called 'a b'", "change one"),
        ("validation.every=5", "validation.every is set, and nothing is held out", "change one"),
        ("validation.best=acc", "validation.best is acc, and no set is named", "change one"),
        ("optim.lr", "'optim.lr' sets nothing", "KEY=VALUE"),
        ("optim..lr=1", "'optim..lr=1' sets nothing", "KEY=VALUE"),
        ("optim.lr=", 'optim.lr is ""', "give a number"),
        ("optim.lr=[1", "this is not read", "correct it"),
        ("optim.lr=*a", "this is not read: references like *name are not allowed", "correct it"),
        ("optim.lr=!!python/name:os.system x", "this is not read: the tag", "correct it"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_allowed(change, what, fix):
    error = refusal("spatial", change)
    assert isinstance(error, UsageError)
    assert error.what.startswith(what)
    assert error.where.startswith(f"--set {change}")
    assert fix in error.fix


def test_questions_share_their_frames_in_rows_that_are_not_packed_and_not_by_flash_attention():
    assert load_recipe("spatial", ["batch.questions=5"]).batch.questions == 5
    packed = refusal("spatial", "batch.questions=5", "batch.packing=true")
    assert packed.what.startswith("batch.questions is 5, and batch.packing is true")
    flash = refusal("spatial", "batch.questions=5", "start.attention=flash")
    assert flash.what.startswith("batch.questions is 5, and start.attention is flash")


def test_parts_that_contradict_each_other_are_refused():
    nothing = refusal("spatial", "trained.language_model=none", "trained.geometry_merger=false")
    assert nothing.what == "no part is trained: set a key of trained"
    absent = refusal("spatial-no-geometry", "trained.geometry_encoder=true")
    assert "start.geometry_encoder is none" in absent.what


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        (f"{SMALL}optim:\n  lrr: 1\n", "unknown key optim.lrr", 3),
        (f"{SMALL}optim:\n  lr: 1\n  eps: 1\n  lr: 2\n", "the key optim.lr stands twice: line 3 has it too", 5),
        (f"{SMALL}run: {{epochs: 0}}\n", "run.epochs is 0", 2),
        (f"{SMALL}batch: [1\n", "this is not read", 3),
        (f"{SMALL}\toptim: 1\n", "this is not read", 2),
        (f"{SMALL}start: &a {{}}\nlora: *a\n", "this is not read: references", 3),
        (f"{SMALL}start: {{<<: {{weights: x}}}}\n", "unknown key start.<<", 2),
        (f"{SMALL}? [a]\n: 1\n", "this is not read: a key is a list or a table", 2),
        (f"{SMALL}---\n{SMALL}", "this is not read", 2),
        ("base: 3\n", "base names no recipe", 1),
        ("base: rooms.yml\n", "there is no file rooms.yml", 1),
        ("base: rom\n", "unknown recipe 'rom'", 1),
        ("base: mine.yaml\n", "mine.yaml is a base twice, or of itself", 1),
        ("base: [toy, toy]\n", "toy is a base twice, or of itself", 1),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(file, text, what, line):
    path = file(text)
    error = refusal(path)
    assert what in error.what
    assert error.where.startswith(f"{path}, line {line}")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the file is no table of keys"),
        ("- a\n", "the file is no table of keys"),
        ("description: x\n", "data is missing"),
        ("a: \x00", "this is not read"),
        (b"\xff\xfe\x00", "the file is no UTF-8 text"),
        ("[" * 100_000, "brackets are nested too deeply"),
        ("#" * 1_000_001, "the file is too large for a recipe"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path, text, what):
    path = tmp_path / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    error = refusal(str(path))
    assert error.what.startswith(what)
    assert str(path) in error.where


def test_a_base_is_overridden_key_by_key_and_relative_to_its_file(file, tmp_path):
    (tmp_path / "below").mkdir()
    file(f"{SMALL}optim: {{lr: 1e-3, clip: 2}}\nlora: {{targets: [q_proj, k_proj]}}\n", "below/first.yaml")
    file("base: first.yaml\noptim: {lr: 1e-4}\nseed: 3\n", "below/second.yaml")
    recipe = load_recipe(
        file("base: below/second.yaml\nlora: {targets: [v_proj]}\ndata: {sets: {vsi: {dataset: vlm3r}}}\n")
    )
    assert (recipe.optim.lr, recipe.optim.clip, recipe.seed) == (1e-4, 2.0, 3)
    assert recipe.lora.targets == ("v_proj",)
    assert list(recipe.data.sets) == ["rooms", "vsi"]


def test_of_several_bases_the_later_one_counts(file):
    file("optim: {lr: 1e-3, clip: 2}\n", "one.yaml")
    file("optim: {lr: 1e-4}\n", "two.yaml")
    recipe = load_recipe(file(f"base: [one.yaml, two.yaml]\n{SMALL}"))
    assert (recipe.optim.lr, recipe.optim.clip) == (1e-4, 2.0)


def test_a_circle_of_bases_is_refused(file):
    file("base: mine.yaml\n", "other.yaml")
    assert "is a base twice, or of itself" in refusal(file("base: other.yaml\n")).what


def test_words_of_older_yaml_are_text(file):
    recipe = load_recipe(file(f"{SMALL}description: no\nstart: {{weights: 2025-11-27}}\n"))
    assert (recipe.description, recipe.start.weights) == ("no", "2025-11-27")


def test_a_mistake_in_a_base_is_told_with_the_file_of_the_base(file):
    base = file(f"{SMALL}optm: {{}}\n", "base.yaml")
    assert refusal(file("base: base.yaml\nseed: 1\n")).where == f"{base}, line 2"


@pytest.mark.parametrize("name", sorted(path.stem for path in recipes_folder().glob("*.yaml")))
def test_a_recipe_written_out_reads_back_equal_here_and_elsewhere(name, file):
    recipe = load_recipe(name)
    text = to_yaml(recipe)
    again = load_recipe(file(text))
    assert again == recipe
    assert list(again.data.sets) == list(recipe.data.sets)
    assert yaml.safe_load(text)["batch"] == recipe.batch.model_dump()
    assert "  # peak, of the language model\n" in text


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    [
        "no",
        "null",
        "~",
        "1e-5",
        "'",
        '"',
        "a: b",
        "- a",
        "#x",
        "a  # b",
        "\u2028",
        "\x85",
        "\ufeff",
        "\U0001f600",
        " a ",
    ]
)
positive = st.floats(1e-300, 1e300)
sets = st.dictionaries(
    st.from_regex(r"\A[A-Za-z0-9_-]{1,12}\Z"),
    st.fixed_dictionaries(
        {"dataset": texts},
        optional={
            "folder": texts,
            "prepare": texts,
            "share": st.floats(1e-9, 1),
            "num_frames": st.none() | st.integers(1, 99),
        },
    ),
    min_size=1,
    max_size=4,
)
values = st.fixed_dictionaries(
    {"data": st.fixed_dictionaries({"sets": sets})},
    optional={
        "description": texts,
        "seed": st.integers(0, 2**32 - 1),
        "start": st.fixed_dictionaries(
            {"weights": texts},
            optional={"geometry_weights": st.none() | texts, "fusion_layers": st.integers(1, 10**20)},
        ),
        "lora": st.fixed_dictionaries({"alpha": positive, "targets": st.lists(texts, min_size=1, max_size=3)}),
        "optim": st.fixed_dictionaries({"lr": positive, "betas": st.tuples(st.floats(0, 0.99), st.floats(0, 0.99))}),
        "batch": st.fixed_dictionaries({"packing": st.booleans()}),
    },
)


@settings(max_examples=60, deadline=None)
@given(values)
def test_any_recipe_reads_back_equal(tmp_path_factory, values):
    recipe = Recipe.model_validate(values)
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(to_yaml(recipe), encoding="utf-8", newline="\n")
    again = load_recipe(str(path))
    assert again == recipe
    assert fingerprint(again) == fingerprint(recipe)


def test_the_fingerprint_follows_every_value_but_the_description_and_the_order():
    one = load_recipe("scene")
    assert len(fingerprint(one)) == 64
    assert fingerprint(load_recipe("scene", ["description=other"])) == fingerprint(one)
    turned = one.model_dump() | {
        "data": one.data.model_dump() | {"sets": dict(reversed(one.data.model_dump()["sets"].items()))}
    }
    assert fingerprint(Recipe.model_validate(turned)) == fingerprint(one)
    for change in ("seed=1", "data.sets.scanrefer.share=0.5", "run.max_steps=10", "start.reference_frame=last"):
        assert fingerprint(load_recipe("scene", [change])) != fingerprint(one)


GEOMETRY = "objective.kind=geometry"
REGIONS = "objective.kind=regions"
ALONE = ["trained.language_model=none", "trained.geometry_merger=false"]
ENCODER = [*ALONE, "trained.geometry_encoder=true"]
TOWER = [*ALONE, "trained.vision_tower=true", "trained.connector=true", "objective.labels=[bed]"]


@pytest.mark.parametrize("changes", [[GEOMETRY, *ENCODER], [REGIONS, *TOWER]])
def test_an_encoder_is_trained_alone(changes):
    assert load_recipe("toy", [*changes, "validation.generate="]).objective.kind in ("geometry", "regions")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ([GEOMETRY], "objective.kind is geometry, which trains geometry_encoder and nothing else, and trained has "),
        ([GEOMETRY, *ENCODER, "trained.vision_tower=true"], "trained has geometry_encoder, vision_tower"),
        ([REGIONS, *TOWER, "trained.connector=false"], "which trains connector and vision_tower and nothing else"),
        ([GEOMETRY, *ENCODER, "start.geometry_encoder=pi3"], "start.geometry_encoder is not vggt"),
        ([GEOMETRY, *ENCODER, "run.zero=2"], "objective.kind is geometry, and run.zero is not 0"),
        ([REGIONS, *TOWER, "validation.generate=rooms"], "validation.generate asks for answers"),
        ([REGIONS, *TOWER, "objective.labels=[]"], "objective.labels names no label"),
        (["objective.words=1"], "objective.labels names no label"),
        (["objective.boxes=1", "batch.packing=true"], "neither batch.packing nor run.zero"),
        (["objective.numbers=0.1", "run.zero=2"], "neither batch.packing nor run.zero"),
        (["optim.muon_lr=1e-3", "run.zero=2"], "optim.muon_lr is set, and run.zero"),
    ],
)
def test_an_objective_that_cannot_be_trained_as_the_recipe_says_is_refused(changes, what):
    kept = [] if "validation.generate=rooms" in changes else ["validation.generate="]
    assert what in refusal("toy", *changes, *kept).what
