"""The engine: the same bytes for any number of workers, shards and restarts; bad units cost themselves alone."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.data.fakes import FAKE, SCENES, raw_folder
from tests.unit.data.harness import request_for
from vgcli_core.data.prepare import Shard, prepare
from vgcli_core.data.prepared import open_prepared
from vgcli_core.data.unit_work import Settings
from vgcli_core.data.workplace import WORK
from vgcli_core.errors import DataError, OutputError, UsageError

REPOSITORY = Path(__file__).parents[3]


def tree(root: Path) -> dict[str, str]:
    """Every file below `root` and its checksum."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    return raw_folder(tmp_path_factory.mktemp("raw"))


def run(raw: Path, out: Path, *, splits=("train", "val"), pack=False, workers=1, shard=None, restart=False, **values):
    return prepare(
        FAKE,
        request_for(FAKE, raw, *splits, **values),
        Settings(out, pack=pack),
        workers=workers,
        shard=shard,
        restart=restart,
    )


@pytest.fixture(scope="module")
def whole(raw, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("out") / "whole"
    run(raw, out)
    return out


def test_a_set_holds_its_lines_frames_lists_and_manifest(whole):
    assert set(tree(whole)) == {"manifest.json", "train.jsonl", "val.jsonl", "frames.sha256", "inputs.jsonl"} | {
        f"frames/fake/scene{n}/{place:02d}.jpg" for n in range(SCENES) for place in range(3)
    }
    manifest = json.loads((whole / "manifest.json").read_text(encoding="utf-8"))
    train = manifest["splits"]["train"]
    assert train["samples"] == 2 * SCENES == len((whole / "train.jsonl").read_bytes().splitlines())
    assert train["drops"] == {"named twice": 1, "too small": 2 * SCENES}
    assert train["counts"] == {"scenes": SCENES}
    assert train["sha256"] == tree(whole)["train.jsonl"]
    lines = [json.loads(line) for line in (whole / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    shown = sum(line["target_visible"] for line in lines)
    assert train["target_visible"]["share"] == shown / len(lines) and 0 < shown < len(lines)
    assert manifest["frames"]["count"] == manifest["frames"]["files"] == 3 * SCENES
    hidden = sum(
        not json.loads(line)["target_visible"]
        for split in ("train", "val")
        for line in (whole / f"{split}.jsonl").open()
    )
    assert manifest["notes"] == {"a fake": 1, "a target is hidden": hidden}


def test_the_list_of_frames_is_one_that_sha256sum_checks(whole):
    for line in (whole / "frames.sha256").read_text(encoding="utf-8").splitlines():
        expected, name = line.split("  ", 1)
        assert hashlib.sha256((whole / name).read_bytes()).hexdigest() == expected


def test_the_list_of_inputs_names_the_raw_files(whole, raw):
    (line,) = (whole / "inputs.jsonl").read_text(encoding="utf-8").splitlines()
    content = (raw / "fake" / "scenes.txt").read_bytes()
    assert json.loads(line) == {
        "path": "fake/scenes.txt",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "covers": "all of it",
    }


def test_a_set_is_read_back_sample_by_sample(whole):
    prepared = open_prepared(whole)
    samples = list(prepared.samples("val"))
    assert len(samples) == prepared.count("val") == 2 * SCENES
    assert [image.shape for image in prepared.images(samples[0])] == [(24, 32, 3)] * 3
    assert samples[0].question.startswith("What is ") and samples[0].answer == "That."
    with pytest.raises(DataError, match="no split 'test'"):
        next(prepared.samples("test"))


def test_two_workers_write_the_same_bytes(raw, whole, tmp_path):
    run(raw, tmp_path / "out", workers=2)
    assert tree(tmp_path / "out") == tree(whole)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_shards_merge_when_the_last_one_ends_and_write_the_same_bytes(raw, whole, tmp_path, order):
    for place, number in enumerate(order):
        outcome = run(raw, tmp_path / "out", shard=Shard(number, 3))
        assert (outcome.manifest is None) == (place < 2)
        assert outcome.left == (2 * SCENES * (2 - place)) // 3
    assert tree(tmp_path / "out") == tree(whole)


def test_a_shard_that_comes_late_finds_the_set_finished_and_leaves_it_alone(raw, whole, tmp_path):
    run(raw, tmp_path / "out")
    outcome = run(raw, tmp_path / "out", shard=Shard(1, 3))
    assert outcome.manifest is not None and outcome.progress.earlier == outcome.progress.total
    assert tree(tmp_path / "out") == tree(whole)


def test_scenes_that_are_not_there_are_said(raw, tmp_path):
    outcome = run(raw, tmp_path / "out", splits=("train",), scenes=frozenset({"scene1", "scene9"}))
    assert outcome.manifest["splits"]["train"]["samples"] == 2
    assert "1 of 2 scenes asked for by name are not there: scene9" in outcome.manifest["notes"]


def test_shards_are_numbered_from_zero():
    with pytest.raises(UsageError, match="no shard 3/3"):
        Shard(3, 3)


def test_a_second_run_builds_nothing(raw, tmp_path, monkeypatch):
    run(raw, tmp_path / "out")
    before = tree(tmp_path / "out")
    monkeypatch.setattr("vgcli_core.data.prepare.build_units", lambda *args: pytest.fail("built again"))
    run(raw, tmp_path / "out")
    assert tree(tmp_path / "out") == before


def test_a_set_of_another_request_is_not_overwritten(raw, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "out")
    with pytest.raises(DataError, match="another run: seed was 0 there and is 1 now"):
        run(raw, tmp_path / "out", seed=1)
    assert tree(tmp_path / "out") == tree(whole)
    run(raw, tmp_path / "out", seed=1, restart=True)
    assert tree(tmp_path / "out") != tree(whole)


@pytest.mark.parametrize("restart", [False, True])
def test_a_folder_that_holds_something_else_is_left_alone(raw, tmp_path, restart):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(OutputError):
        run(raw, tmp_path, restart=restart)
    assert tree(tmp_path).keys() == {"thesis.tex"}


def test_frames_in_tars_are_read_without_unpacking(raw, whole, tmp_path):
    run(raw, tmp_path / "one", pack=True)
    run(raw, tmp_path / "two", pack=True, workers=2)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    packed, plain = open_prepared(tmp_path / "one"), open_prepared(whole)
    assert not list((tmp_path / "one" / "frames").rglob("*.jpg"))
    assert packed.manifest["frames"]["files"] == 2 * SCENES  # a tar for each scene of each split
    assert packed.manifest["frames"]["count"] == 3 * 2 * SCENES
    for one, other in zip(packed.samples("train"), plain.samples("train"), strict=True):
        assert one.pack and one.frames == other.frames
        assert all((a == b).all() for a, b in zip(packed.images(one), plain.images(other), strict=True))
    with tarfile.open(next((tmp_path / "one" / "frames").rglob("*.tar"))) as tar:
        assert all(member.mtime == 0 for member in tar)


def test_bad_units_are_left_out_with_a_reason_and_tried_again(tmp_path):
    raw = raw_folder(tmp_path / "raw", "scene0", "bad1", "scene2", "bug3", "cut4")
    outcome = run(raw, tmp_path / "out", splits=("train",))
    assert {(one.unit, one.what) for one in outcome.quarantine} == {
        ("bad1", "the scene is bad"),
        ("bug3", "ZeroDivisionError: one over nothing"),
        ("cut4", "the frame fake/cut4/cut.jpg is cut off: its end is missing"),
    }
    good = open_prepared(tmp_path / "out")
    assert [sample.scene for sample in good.samples("train")] == ["scene0"] * 2 + ["scene2"] * 2
    assert good.manifest["splits"]["train"]["quarantined_units"] == 3
    assert {path.parent.name for path in (tmp_path / "out" / "frames").rglob("*.jpg")} == {"scene0", "scene2"}
    # Mended, and run again: only the bad ones are built.
    again = run(raw, tmp_path / "out", splits=("train",))
    assert again.progress.earlier == 2 and len(again.quarantine) == 3


def test_a_worker_that_dies_costs_its_unit_alone(tmp_path):
    raw = raw_folder(tmp_path / "raw", "scene0", "dies1", "scene2", "scene3")
    outcome = run(raw, tmp_path / "out", splits=("train",), workers=2)
    assert [one.unit for one in outcome.quarantine] == ["dies1"]
    assert "ended with code -9" in outcome.quarantine[0].what
    assert open_prepared(tmp_path / "out").count("train") == 6


def test_reference_mode_writes_the_published_layout_in_the_published_order(raw, tmp_path):
    run(raw, tmp_path / "out", splits=("train",), mode="reference")
    rows = json.loads((tmp_path / "out" / "fake_train_3frames.json").read_text(encoding="utf-8"))
    # info["order"] is 100 * scene - number of the sample
    assert [row["id"] for row in rows] == [f"scene{n}/{k}" for n in range(SCENES) for k in (1, 0)]


@pytest.mark.parametrize("restart", [False, True])
def test_a_reference_run_killed_before_its_manifest_continues_or_is_discarded(raw, tmp_path, monkeypatch, restart):
    from vgcli_core.data import merge

    run(raw, tmp_path / "whole", splits=("train",), mode="reference")
    monkeypatch.setattr(merge, "_list_frames", lambda *args: pytest.fail("killed here"))
    with pytest.raises(pytest.fail.Exception):
        run(raw, tmp_path / "out", splits=("train",), mode="reference")
    monkeypatch.undo()
    assert (tmp_path / "out" / "fake_train_3frames.json").exists()
    assert not (tmp_path / "out" / "manifest.json").exists()
    run(raw, tmp_path / "out", splits=("train",), mode="reference", restart=restart)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_links_share_the_raw_file_and_copies_do_not(raw, whole, tmp_path):
    from vgcli_core.data.frame_store import FrameFolder

    source = whole / "frames/fake/scene0/00.jpg"
    for link in (True, False):
        root = tmp_path / str(link)
        root.mkdir()
        FrameFolder(root, lambda root=root: root / "temporary", link=link).put("a.jpg", source)
        assert (root / "frames" / "a.jpg").samefile(source) == link
        assert (root / "frames" / "a.jpg").read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    "name", ["../a.jpg", "/a.jpg", "a/../../b.jpg", "a\\b.jpg", "c:/a.jpg", "a\nb.jpg", "", "./a.jpg"]
)
def test_frames_stay_inside_their_folder(name):
    from vgcli_core.data.frame_store import check_name

    with pytest.raises(DataError):
        check_name(name)


def test_a_full_disk_stops_the_run_and_keeps_what_is_finished(raw, whole, tmp_path, monkeypatch):
    from vgcli_core.data import frame_store

    original, written = Path.write_bytes, []

    def full(self, data):
        written.append(self)
        if len(written) == 10:
            raise OSError(28, "No space left on device")
        return original(self, data)

    monkeypatch.setattr(frame_store.Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left"):
        run(raw, tmp_path / "out")
    monkeypatch.undo()
    outcome = run(raw, tmp_path / "out")
    assert outcome.progress.earlier == 3
    assert tree(tmp_path / "out") == tree(whole)


def test_a_process_that_was_overtaken_while_merging_changes_nothing(raw, whole, tmp_path, monkeypatch):
    from vgcli_core.data import merge

    original, overtaken = merge._list_frames, []

    def slow(plan, workplace):
        if not overtaken:
            overtaken.append(True)
            run(raw, tmp_path / "out")  # another process merges, finishes, and removes the work folder
        return original(plan, workplace)

    monkeypatch.setattr(merge, "_list_frames", slow)
    outcome = run(raw, tmp_path / "out")
    assert outcome.manifest["splits"]["train"]["samples"] == 2 * SCENES
    assert tree(tmp_path / "out") == tree(whole)


def test_a_process_that_was_overtaken_while_building_changes_nothing(raw, whole, tmp_path, monkeypatch):
    from vgcli_core.data import unit_work

    original, overtaken = unit_work._write, []

    def slow(build, unit, request, work, workplace):
        if not overtaken:
            overtaken.append(True)
            run(raw, tmp_path / "out")
            raise DataError("the archive's picture is not there any more")
        return original(build, unit, request, work, workplace)

    monkeypatch.setattr(unit_work, "_write", slow)
    outcome = run(raw, tmp_path / "out")
    assert not outcome.quarantine and outcome.manifest is not None
    assert tree(tmp_path / "out") == tree(whole)


def test_a_run_whose_set_another_one_discards_is_told_so(raw, tmp_path, monkeypatch):
    from vgcli_core.data import unit_work
    from vgcli_core.data.workplace import Workplace

    original = unit_work._write

    def discarded(build, unit, request, work, workplace):
        Workplace(tmp_path / "out").discard()
        return original(build, unit, request, work, workplace)

    monkeypatch.setattr(unit_work, "_write", discarded)
    with pytest.raises(DataError, match="another run has discarded the set"):
        run(raw, tmp_path / "out")
    monkeypatch.undo()
    assert run(raw, tmp_path / "out").progress.earlier == 0


def test_identical_commands_at_once_make_one_set(raw, whole, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    words = [sys.executable, str(program), str(raw), str(tmp_path / "out"), "1"]
    together = [subprocess.Popen(words, env=environment) for _ in range(3)]
    assert [process.wait(timeout=120) for process in together] == [0, 0, 0]
    assert tree(tmp_path / "out") == tree(whole)
    assert not (tmp_path / "out" / WORK).exists()


def discard_and_die(raw, out, monkeypatch, renames: int) -> None:
    """Discard a set, and be killed before so many renames are done."""
    from vgcli_core.data import workplace

    original, done = Path.rename, []

    def counted(self, target):
        if len(done) == renames:
            pytest.fail("killed here")
        done.append(target)
        return original(self, target)

    monkeypatch.setattr(workplace.Path, "rename", counted)
    with pytest.raises(pytest.fail.Exception):
        run(raw, out, restart=True)
    monkeypatch.undo()


# The folder of names appears, then manifest, (no work folder,) three lists, two splits and the frames are moved.
@pytest.mark.parametrize("renames", range(8))
def test_a_set_that_was_half_discarded_is_never_taken_for_a_whole_one(raw, whole, tmp_path, monkeypatch, renames):
    run(raw, tmp_path / "out")
    discard_and_die(raw, tmp_path / "out", monkeypatch, renames)
    outcome = run(raw, tmp_path / "out")
    assert (outcome.progress.earlier == 0) == (renames > 0)  # before the first one nothing had been said yet
    assert tree(tmp_path / "out") == tree(whole)


def test_a_process_that_lags_behind_a_discarding_one_moves_nothing_of_a_new_set(raw, whole, tmp_path, monkeypatch):
    from vgcli_core.data import workplace

    run(raw, tmp_path / "out")
    discard_and_die(raw, tmp_path / "out", monkeypatch, 1)
    original = Path.rename
    waiting = []

    def slow(self, target):
        if not waiting:  # this process has read the names; another one completes the work, and makes the set anew
            waiting.append(True)
            monkeypatch.setattr(workplace.Path, "rename", original)
            run(raw, tmp_path / "out")
            monkeypatch.setattr(workplace.Path, "rename", slow)
        return original(self, target)

    monkeypatch.setattr(workplace.Path, "rename", slow)
    run(raw, tmp_path / "out")
    assert waiting and tree(tmp_path / "out") == tree(whole)


@pytest.mark.parametrize("name", ["../victim.txt", "/victim.txt", ".."])
def test_a_damaged_list_of_names_removes_nothing_outside_the_set(raw, whole, tmp_path, name):
    (tmp_path / "victim.txt").write_text("mine")
    shutil.copytree(whole, tmp_path / "out")
    (tmp_path / "out" / ".work-discard").mkdir()
    wish = name.replace("/victim", f"{tmp_path}/victim") if name.startswith("/") else name
    (tmp_path / "out" / ".work-discard" / "names.json").write_text(json.dumps([wish, 5]))
    with suppress(OutputError):  # the rest of the set is named nowhere, so it is something else
        run(raw, tmp_path / "out")
    assert (tmp_path / "victim.txt").read_text() == "mine"
    assert (tmp_path / "out" / "train.jsonl").exists()


def test_a_damaged_record_of_a_unit_is_told(raw, tmp_path):
    run(raw, tmp_path / "out", shard=Shard(0, 2))
    record = next((tmp_path / "out" / WORK / "parts").rglob("*.json"))
    record.write_text('{"samples": 2}')
    with pytest.raises(DataError, match="is damaged"):
        run(raw, tmp_path / "out", shard=Shard(1, 2))


def test_a_work_folder_that_a_process_revived_is_removed(raw, whole, tmp_path):
    run(raw, tmp_path / "out")
    (tmp_path / "out" / WORK / "staged").mkdir(parents=True)
    (tmp_path / "out" / WORK / "staged" / "1.jpg").write_bytes(b"late")
    outcome = run(raw, tmp_path / "out")
    assert outcome.progress.earlier == outcome.progress.total
    assert tree(tmp_path / "out") == tree(whole)


def test_a_split_without_any_item_is_no_success(raw, tmp_path):
    def half(request):
        from tests.unit.data.fakes import plan

        found = plan(request)
        return replace(found, units=[unit for unit in found.units if unit.split == "train"])

    with pytest.raises(DataError, match=f"nothing to prepare of val; what was read: {SCENES} scenes") as caught:
        prepare(replace(FAKE, plan=half), request_for(FAKE, raw, "train", "val"), Settings(tmp_path / "out"))
    assert "leave it out: --split train" in caught.value.fix


def test_a_scene_that_is_listed_twice_is_prepared_once(tmp_path):
    raw = raw_folder(tmp_path / "raw", "scene0", "scene1", "scene0")
    outcome = run(raw, tmp_path / "out", splits=("train",))
    assert [sample.scene for sample in open_prepared(tmp_path / "out").samples("train")] == ["scene0"] * 2 + [
        "scene1"
    ] * 2
    assert outcome.manifest["notes"]["1 scenes are listed twice, and prepared once"] == 1


def test_samples_that_cannot_be_written_are_dropped_and_cost_nobody_else(tmp_path):
    raw = raw_folder(tmp_path / "raw", "odd0")
    outcome = run(raw, tmp_path / "out", splits=("train",))
    assert not outcome.quarantine
    held = outcome.manifest["splits"]["train"]
    assert held["samples"] == 3
    assert held["drops"] == {
        "a number that is not finite": 1,
        "a sample's id stands twice in a scene": 1,
        "named twice": 1,
        "text that is no Unicode (half of a surrogate pair)": 1,
        "too small": 2,
    }


@pytest.mark.parametrize("damage", ["zeros", "cut", "text"])
def test_a_damaged_picture_is_never_stored(tmp_path, damage):
    from tests.unit.data.fakes import picture
    from vgcli_core.data.frame_store import FrameFolder

    good = picture(0, "damage")
    bad = {
        "zeros": good[:3] + bytes(len(good) - 5) + good[-2:],
        "cut": good[: len(good) // 2],
        "text": b"<html>not found</html>",
    }[damage]
    store = FrameFolder(tmp_path, lambda: tmp_path / "temporary", link=False)
    with pytest.raises(DataError, match=r"cannot be decoded|cut off|no JPEG or PNG"):
        store.put("a.jpg", bad)
    assert not (tmp_path / "frames").exists()


def test_a_full_disk_is_told_as_one_with_tars_too(raw, tmp_path, monkeypatch):
    import tarfile as module

    def full(self, *args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.TarFile, "addfile", full)
    monkeypatch.setattr(module.TarFile, "close", full)
    with pytest.raises(OutputError, match="No space left"):
        run(raw, tmp_path / "out", pack=True)


def test_a_full_disk_while_merging_is_told_as_one(raw, whole, tmp_path, monkeypatch):
    from vgcli_core.data import merge

    def full(self, data):
        raise OSError(122, "Disk quota exceeded")

    monkeypatch.setattr(merge._Hashing, "write", full)
    with pytest.raises(OutputError, match=r"cannot write train.jsonl: Disk quota exceeded"):
        run(raw, tmp_path / "out")
    monkeypatch.undo()
    run(raw, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(whole)


@pytest.mark.parametrize("text", ["{", "null", "[]", "\ud83d", '{"job": 5}'])
def test_a_damaged_manifest_is_told_and_nothing_is_lost(raw, whole, tmp_path, text):
    shutil.copytree(whole, tmp_path / "out")
    (tmp_path / "out" / "manifest.json").write_bytes(text.encode(errors="surrogatepass"))
    before = tree(tmp_path / "out")
    for restart in (False, True):
        with pytest.raises((DataError, OutputError)):
            run(raw, tmp_path / "out", restart=restart)
    assert tree(tmp_path / "out") == before


def test_a_name_that_no_file_can_have_is_told(raw, tmp_path):
    with pytest.raises(OutputError, match="cannot be used"):
        run(raw, tmp_path / ("x" * 300))


def test_annotations_that_break_their_reader_are_bad_input_and_not_a_bug(raw, tmp_path):
    def broken(request):
        raise KeyError("question_id")

    for raise_bugs, expected in ((False, DataError), (True, KeyError)):
        with pytest.raises(expected, match="question_id"):
            prepare(
                replace(FAKE, plan=broken),
                request_for(FAKE, raw, "train"),
                Settings(tmp_path / "out", raise_bugs=raise_bugs),
            )


PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path
from tests.unit.data.fakes import FAKE
from tests.unit.data.harness import request_for
from vgcli_core.data.prepare import prepare
from vgcli_core.data.unit_work import Settings
if __name__ == "__main__":
    raw, out, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    prepare(FAKE, request_for(FAKE, raw, "train", "val"), Settings(out), workers=workers)
"""


def killed_and_continued(raw: Path, out: Path, program: Path, *, workers: int, seed: int) -> int:
    """Run, kill -9 at three random moments, run to the end; return how often a kill struck."""
    draws, kills = random.Random(seed), 0
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    parts = out / WORK / "parts"
    for wanted in sorted(draws.randint(0, 8) for _ in range(3)):
        process = subprocess.Popen([sys.executable, str(program), str(raw), str(out), str(workers)], env=environment)
        while process.poll() is None and len(list(parts.rglob("*.json"))) < wanted:
            time.sleep(0.005)
        time.sleep(0.12 * draws.random())
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    subprocess.run(
        [sys.executable, str(program), str(raw), str(out), str(workers)], env=environment, check=True, timeout=120
    )
    return kills


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of POSIX")
@pytest.mark.parametrize(
    ("workers", "seed"), [(1, 1), (2, 2), *(pytest.param(1 + n % 2, n, marks=pytest.mark.slow) for n in range(3, 21))]
)
def test_a_killed_run_continues_to_the_same_bytes(tmp_path, workers, seed):
    raw = raw_folder(tmp_path / "raw", *(f"slow{n}" for n in range(5)))
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    run(raw, tmp_path / "whole")
    kills = killed_and_continued(raw, tmp_path / "out", program, workers=workers, seed=seed)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    assert not (tmp_path / "out" / WORK).exists()
    assert kills == 3


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of POSIX")
def test_no_process_outlives_a_killed_command(tmp_path):
    raw = raw_folder(tmp_path / "raw", *(f"slow{n}" for n in range(40)))
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen([sys.executable, str(program), str(raw), str(tmp_path / "out"), "2"], env=environment)
    parts = tmp_path / "out" / WORK / "parts"
    deadline = time.monotonic() + 60
    while len(list(parts.rglob("*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.5)
    before = len(list(parts.rglob("*.json")))
    time.sleep(0.7)  # time for four more scenes
    assert 3 <= before == len(list(parts.rglob("*.json"))) < 80


def test_restart_looks_before_it_removes(raw, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    before = tree(tmp_path / "out")
    for restart in (True, False):
        with pytest.raises(OutputError, match="something else"):
            run(raw, tmp_path / "out", restart=restart)
    assert tree(tmp_path / "out") == before


def test_restart_removes_the_published_layout_too(raw, tmp_path):
    run(raw, tmp_path / "out", splits=("train",), mode="reference")
    assert (tmp_path / "out" / "fake_train_3frames.json").exists()
    run(raw, tmp_path / "out", splits=("train",), restart=True)
    assert not (tmp_path / "out" / "fake_train_3frames.json").exists()


def test_a_file_is_no_folder_for_a_set(raw, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="is a file"):
        run(raw, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_raw_files_that_changed_are_said_to_have(tmp_path):
    raw = raw_folder(tmp_path / "raw", "scene0", "scene1")
    run(raw, tmp_path / "out")
    (raw / "fake" / "scenes.txt").write_text("scene0", encoding="utf-8")
    with pytest.raises(DataError, match="the raw files have changed"):
        run(raw, tmp_path / "out")


def test_a_raw_file_that_may_not_be_read_costs_its_unit_and_a_list_of_them_the_run(raw, tmp_path, monkeypatch):
    from vgcli_core.data import frame_store

    original = frame_store.FrameFolder.put

    def refused(self, name, source, **rest):
        if "scene1" in name:
            raise PermissionError(13, "Permission denied", "raw/scene1.sens")
        return original(self, name, source, **rest)

    monkeypatch.setattr(frame_store.FrameFolder, "put", refused)
    outcome = run(raw, tmp_path / "out", splits=("train",))
    assert [(one.unit, one.where) for one in outcome.quarantine] == [("scene1", "raw/scene1.sens")]
    assert outcome.quarantine[0].what == "a file cannot be read: Permission denied"

    def denied(request):
        raise PermissionError(13, "Permission denied", "raw/fake/scenes.txt")

    monkeypatch.undo()
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        prepare(replace(FAKE, plan=denied), request_for(FAKE, raw, "train"), Settings(tmp_path / "two"))


def test_an_output_that_may_not_be_written_stops_the_run(raw, tmp_path, monkeypatch):
    def refused(self, name, source, **rest):
        raise PermissionError(13, "Permission denied", str(tmp_path / "out" / "frames" / name))

    monkeypatch.setattr("vgcli_core.data.frame_store.FrameFolder.put", refused)
    with pytest.raises(OutputError, match="Permission denied"):
        run(raw, tmp_path / "out", splits=("train",))
