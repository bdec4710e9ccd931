"""What a run asks: which samples, in which groups and parts, and what is said where a set is not there."""

import pytest

from tests.unit.evaluation.sets import question, write_set
from vgcli_core.errors import DataError, UnknownName, UsageError
from vgcli_core.evaluation.plan import Share, plan

SAMPLES = [question(number, scene=number // 3) for number in range(12)]


def ids(groups):
    return [[sample.id for sample in members] for members in groups]


def test_questions_about_the_same_frames_are_one_group(tmp_path):
    (asked,) = plan(["vsi_bench"], write_set(tmp_path, SAMPLES))
    assert ids(asked.share(Share()))[:2] == [["q000", "q001", "q002"], ["q003", "q004", "q005"]]
    assert asked.frame_lists == 4
    assert [truth.ground_truth for truth in asked.truths[:5]] == ["A", "B", "C", "D", "A"]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_every_group_is_in_one_share(tmp_path, count):
    (asked,) = plan(["vsi_bench"], write_set(tmp_path, SAMPLES))
    shares = [ids(asked.share(Share(index, count))) for index in range(count)]
    assert sorted(group for share in shares for group in share) == ids(asked.share(Share()))


def test_layouts_of_the_same_frames_stay_in_one_share(tmp_path):
    named = question(3)
    turn = named.conversations[0]
    text = turn.text.replace("<image>", "Frame: <image>")
    other = [type(named)(**{**_fields(named), "conversations": (type(turn)("human", text),), "id": "named"})]
    (asked,) = plan(["vsi_bench"], write_set(tmp_path, [question(0), *other, question(1, scene=1)]))
    assert ids(asked.share(Share(0, 2))) == [["q000"], ["named"]]
    assert ids(asked.share(Share(1, 2))) == [["q001"]]


def _fields(sample):
    return {name: getattr(sample, name) for name in type(sample).__dataclass_fields__}


def test_a_limit_is_spread_evenly_and_said(tmp_path):
    (asked,) = plan(["vsi_bench"], write_set(tmp_path, SAMPLES), limit=4)
    assert [sample.id for sample in asked.samples] == ["q000", "q003", "q006", "q009"]
    assert asked.notes == ("--limit: 4 of 12 samples are asked, evenly spread",)


def test_what_was_left_out_is_said(tmp_path):
    training = question(99)
    unstated = type(training)(**{**_fields(training), "truth": None})
    damage = [{"split": "test", "unit": "scene", "what": "broken"}, {"split": "other", "unit": "x", "what": "y"}]
    (asked,) = plan(["vsi_bench"], write_set(tmp_path, [*SAMPLES, unstated], quarantine=damage))
    assert len(asked.samples) == 12
    assert asked.notes == (
        "1 samples of the set have no truth, and are left out",
        "1 damaged scenes or videos were left out when the set was prepared",
    )


def test_a_set_in_the_folder_of_the_benchmark_goes_before_that_of_the_dataset(tmp_path):
    data = write_set(tmp_path, [question(0)])
    write_set(data / "x", [question(1)], split="oe_test", dataset="nextqa")
    (data / "x" / "nextqa").rename(data / "nextqa_oe")
    with pytest.raises(DataError, match="not of nextqa_oe's form"):
        plan(["nextqa_oe"], data)


@pytest.mark.parametrize(
    ("names", "kind", "says", "fix"),
    [
        (["vsibench"], UnknownName, "unknown benchmark 'vsibench'", "did you mean 'vsi_bench'"),
        (["vsi_bench", "vsi_bench"], UsageError, "twice", ""),
        (["vsi_bench", "blink", "nextqa_oe"], DataError, "missing: blink, nextqa_oe", "--split oe_test"),
    ],
)
def test_wrong_names_and_missing_sets_are_told_at_once(tmp_path, names, kind, says, fix):
    data = write_set(tmp_path, SAMPLES)
    with pytest.raises(kind) as refused:
        plan(names, data)
    assert says in refused.value.what
    assert fix in refused.value.fix


def test_wrong_folders_are_told_apart(tmp_path):
    data = write_set(tmp_path / "data", SAMPLES)
    with pytest.raises(DataError, match="no such folder"):
        plan(["vsi_bench"], tmp_path / "date")
    with pytest.raises(DataError, match="not the folder of the sets") as refused:
        plan(["vsi_bench"], data / "vsi_bench")
    assert str(data) in refused.value.fix
    with pytest.raises(DataError, match="no split debiased, only test") as refused:
        plan(["vsi_bench"], data, split="debiased")
    assert "--split debiased --out" in refused.value.fix
    with pytest.raises(UsageError, match="one benchmark"):
        plan(["vsi_bench", "blink"], data, split="test")


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ({"job": {"dataset": "blink", "with_frames": True}}, "the set is of blink"),
        ({"job": {"dataset": "vsi_bench", "with_frames": False}}, "without frames"),
    ],
)
def test_sets_of_another_kind_are_refused(tmp_path, manifest, says):
    with pytest.raises(DataError, match=says):
        plan(["vsi_bench"], write_set(tmp_path, SAMPLES, **manifest))


def test_a_file_that_was_changed_is_refused(tmp_path):
    path = write_set(tmp_path, SAMPLES) / "vsi_bench" / "test.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("question 3?", "question 4?"), encoding="utf-8")
    with pytest.raises(DataError, match="not the file that was prepared"):
        plan(["vsi_bench"], tmp_path)


def test_a_set_without_truths_is_refused(tmp_path):
    unstated = [type(one)(**{**_fields(one), "truth": None}) for one in SAMPLES]
    with pytest.raises(DataError, match="no sample of the split test has a truth"):
        plan(["vsi_bench"], write_set(tmp_path, unstated))
    with pytest.raises(DataError, match="empty"):
        plan(["vsi_bench"], write_set(tmp_path / "other", []))
