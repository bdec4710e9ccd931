"""Asking and keeping: nothing asked twice or lost, groups asked whole, folders not mixed up. No model is needed."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.evaluation.sets import LETTERS, question, write_set
from vgcli_core.errors import DataError, MediaError, OutputError, ResourceError, UsageError
from vgcli_core.evaluation.finish import benchmark_facts, score_answers, unanswered
from vgcli_core.evaluation.plan import Share, plan
from vgcli_core.evaluation.run_folder import RunFolder
from vgcli_core.evaluation.runner import Progress, Watch, answer, missing
from vgcli_core.text.written import Written

REPOSITORY = Path(__file__).parents[3]
NUMBER = 24


@pytest.fixture
def asked(tmp_path):
    samples = [question(number, scene=number // 6) for number in range(NUMBER)]
    return plan(["vsi_bench"], write_set(tmp_path / "data", samples))[0]


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


def oracle(samples):
    return [sample.truth["ground_truth"] for sample in samples]


def silent(samples):
    return ["" for _ in samples]


def record(asked, **model):
    facts = {"vsi_bench": benchmark_facts(asked, limit=None)}
    return {
        "model": {"name": "m", "files": {"a.bin": {"sha256": "1"}}, **model},
        "settings": {"max_new_tokens": {"ask": 16}},
        "benchmarks": facts,
    }


def lines(folder):
    return sorted(line for path in folder.root.glob("answers/*/*") for line in path.read_text().splitlines())


def headline(asked, folder):
    return score_answers(asked, folder).report.rules[0].get("average").value


def test_oracle_and_silent_model_score_what_the_benchmark_declares(asked, tmp_path):
    declared = asked.benchmark.range(asked.truths)
    for name, generate, wanted in (("o", oracle, declared.oracle), ("s", silent, declared.silent)):
        folder = RunFolder(tmp_path / name)
        answer(asked, generate, folder)
        assert headline(asked, folder) == wanted["average"]


def test_a_perturbed_oracle_scores_what_one_can_count(asked, folder):
    answer(asked, lambda samples: [LETTERS[int(sample.id[1:]) % 2] for sample in samples], folder)
    # A and B are right for every other pair of questions: 12 of 24.
    assert headline(asked, folder) == 0.5


def test_every_group_is_asked_once_and_whole(asked, folder):
    calls = []
    end = answer(asked, lambda samples: calls.append(len(samples)) or oracle(samples), folder)
    assert calls == [6, 6, 6, 6]
    assert end == Progress("vsi_bench", NUMBER, NUMBER, 0)
    answer(asked, lambda samples: pytest.fail("asked again"), folder)
    assert len(lines(folder)) == NUMBER


def test_lines_hold_text_truth_and_how_an_answer_ended(asked, folder):
    answer(asked, lambda samples: [Written("B", tokens=7, complete=sample.id != "q003") for sample in samples], folder)
    found = {line["id"]: line for line in map(json.loads, lines(folder))}
    assert found["q000"] == {
        **{"benchmark": "vsi_bench", "id": "q000", "text": "B", "info": {"tokens": 7}},
        "truth": found["q000"]["truth"],
    }
    assert found["q003"]["cut_off"]
    report = score_answers(asked, folder).report
    assert (report.cut_off, report.n) == (1, NUMBER)


def test_what_one_sample_is_to_blame_for_is_kept_as_failed(asked, folder):
    def generate(samples):
        if samples[0].id == "q006":
            raise MediaError("the frame is gone", where="somewhere/1.png")
        return oracle(samples)

    seen = []
    end = answer(asked, generate, folder, watch=Watch(step=seen.append))
    assert (end.failed, end.done) == (6, NUMBER)
    report = score_answers(asked, folder).report
    assert report.failed == {"the frame is gone": 6}
    assert report.rules[0].unparsed == {}  # counted once
    assert {one.id for one in report.samples if one.failed} == {f"q{number:03d}" for number in range(6, 12)}
    # 18 of 24 are right, and the others count as empty answers.
    assert report.rules[0].get("average").value == 0.75
    assert missing(asked, folder) == []
    assert [one.id for one in missing(asked, folder, retry_failed=True)[0]][:1] == ["q006"]
    answer(asked, oracle, folder, retry_failed=True)
    assert score_answers(asked, folder).report.failed == {}
    assert headline(asked, folder) == 1.0


@pytest.mark.parametrize("problem", [ResourceError("no memory"), OutputError("no space"), RuntimeError("a bug")])
def test_what_is_no_samples_fault_ends_the_run_and_keeps_what_was_answered(asked, folder, problem):
    def generate(samples):
        if samples[0].id == "q012":
            raise problem
        return oracle(samples)

    with pytest.raises(type(problem)):
        answer(asked, generate, folder)
    assert len(lines(folder)) == 12
    answer(asked, oracle, folder)
    assert headline(asked, folder) == 1.0


def test_too_few_texts_are_no_answers(asked, folder):
    with pytest.raises(ValueError, match="shorter"):
        answer(asked, lambda samples: oracle(samples)[:-1], folder)
    assert lines(folder) == []


def test_a_run_that_is_asked_to_stop_stops_between_groups(asked, folder):
    done = []
    watch = Watch(step=lambda now: done.append(now.done), stop=lambda: done[-1] >= 12)
    assert answer(asked, oracle, folder, watch=watch).done == 12
    assert unanswered(asked, folder) == 12
    end = answer(asked, oracle, folder)
    assert (end.earlier, end.done) == (12, NUMBER)


@pytest.mark.parametrize("kept", [0, 1, 100, 101, 1000])
def test_a_line_that_was_cut_off_is_asked_again_with_its_group(asked, folder, kept):
    answer(asked, oracle, folder)
    whole, (path,) = lines(folder), folder.root.glob("answers/*/*")
    path.write_bytes(path.read_bytes()[:kept])
    calls = []
    answer(asked, lambda samples: calls.append(len(samples)) or oracle(samples), folder)
    assert set(calls) == {6}
    assert lines(folder) == whole


def test_shares_give_what_one_process_gives(asked, folder, tmp_path):
    alone = RunFolder(tmp_path / "alone")
    answer(asked, oracle, alone)
    for index in (2, 0, 1):
        answer(asked, oracle, folder, share=Share(index, 3))
    assert lines(folder) == lines(alone)
    for each in (alone, folder):
        score_answers(asked, each)
    read = [(each.root / "vsi_bench" / "predictions.jsonl").read_bytes() for each in (alone, folder)]
    assert read[0] == read[1]


@pytest.mark.parametrize("worlds", [(1, 2), (3, 1), (2, 4)])
def test_jobs_of_any_number_of_processes_answer_their_share(asked, folder, worlds):
    for job, world in enumerate(worlds):
        for rank in range(world):
            answer(asked, oracle, folder, share=Share(job, 2).part(rank, world))
    assert missing(asked, folder) == []
    assert len(lines(folder)) == NUMBER


def test_another_number_of_shares_goes_on_where_the_first_stopped(asked, folder):
    answer(asked, oracle, folder, share=Share(0, 3))
    asked_now = []
    for index in (0, 1):
        answer(asked, lambda s: asked_now.extend(one.id for one in s) or oracle(s), folder, share=Share(index, 2))
    assert len(lines(folder)) == NUMBER
    assert len(asked_now) == len(set(asked_now)) < NUMBER


def test_a_folder_belongs_to_one_model_settings_and_data(asked, folder):
    folder.open(record(asked))
    folder.start({"dtype": "float32"})
    folder.open(record(asked, name="renamed"))  # the same files under another name
    with pytest.raises(UsageError, match=r"another model \(a\.bin differs\)"):
        folder.open({**record(asked), "model": {"name": "m", "files": {"a.bin": {"sha256": "2"}}}})
    with pytest.raises(UsageError, match="--max-new-tokens differs"):
        folder.open({**record(asked), "settings": {"max_new_tokens": {"ask": 4}}})
    changed = record(asked)
    changed["benchmarks"]["vsi_bench"]["split_sha256"] = "f" * 64
    with pytest.raises(UsageError, match="the set of vsi_bench is another one"):
        folder.open(changed)
    folder.open(changed, restart=True)
    assert folder.record()["benchmarks"]["vsi_bench"]["split_sha256"] == "f" * 64


def test_a_run_that_failed_before_its_first_answer_claims_no_folder(asked, folder):
    folder.open(record(asked))
    other = {**record(asked), "model": {"name": "m", "files": {}}}
    folder.check(other)
    folder.open(other)
    assert folder.record()["model"] == other["model"]
    answer(asked, oracle, folder)
    with pytest.raises(UsageError, match="another model"):
        folder.check(record(asked))


def test_the_folder_of_a_training_run_is_named(tmp_path, asked):
    (tmp_path / "run.json").write_text('{"schema": "vgllm.run/1"}')
    with pytest.raises(UsageError, match="training run"):
        RunFolder(tmp_path).open(record(asked), restart=True)


def test_what_the_code_itself_asks_is_part_of_a_run(asked, folder):
    folder.open(record(asked))
    folder.start({"dtype": "float32"})
    changed = record(asked)
    changed["settings"] = {**changed["settings"], "preprocessing": 2}
    with pytest.raises(UsageError, match="another version of vgllm"):
        folder.check(changed)


def test_benchmarks_may_be_added(asked, folder):
    folder.open(record(asked))
    folder.start({"dtype": "float32"})
    more = record(asked)
    more["benchmarks"] = {"blink": more["benchmarks"]["vsi_bench"]}
    folder.open(more)
    assert list(folder.record()["benchmarks"]) == ["vsi_bench", "blink"]


def test_starts_are_kept_and_their_differences_told(asked, folder):
    folder.open(record(asked))
    first = {"dtype": "float32", "device": "cpu", "versions": {"torch": "1"}}
    assert folder.start(first) == []
    (remark,) = folder.start({**first, "versions": {"torch": "2"}})
    assert remark.startswith("torch: 2, and 1 before")
    with pytest.raises(UsageError, match="bfloat16"):
        folder.start({**first, "dtype": "bfloat16"})
    assert len(folder.record()["starts"]) == 2


def test_discarding_a_run_leaves_alone_what_its_record_claims(asked, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.open(record(asked))
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "report.json").write_text("mine")
    evil = record(asked)
    evil["benchmarks"]["../victim"] = evil["benchmarks"]["vsi_bench"]
    (folder.root / "run.json").write_text(json.dumps({"schema": "vgllm.eval/1", **evil, "starts": []}))
    with pytest.raises(DataError, match="no record"):
        folder.open(record(asked))
    folder.open(record(asked), restart=True)
    assert (tmp_path / "victim" / "report.json").read_text() == "mine"


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": "vgllm.eval/1"}', '{"schema": "vgllm.eval/1", "model": 1}'])
def test_a_damaged_record_is_told_and_can_be_discarded(asked, folder, text):
    folder.root.mkdir()
    (folder.root / "run.json").write_text(text)
    with pytest.raises(DataError, match="no record") as refused:
        folder.open(record(asked))
    assert "--restart" in refused.value.fix
    (folder.root / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt"):
        folder.open(record(asked), restart=True)
    (folder.root / "notes.txt").unlink()
    folder.open(record(asked), restart=True)
    assert folder.record()["starts"] == []


def test_strangers_are_not_written_over(asked, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"thesis\.tex"):
        RunFolder(tmp_path / "mine").open(record(asked), restart=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        RunFolder(tmp_path / "file").open(record(asked))


def test_one_share_is_answered_by_one_process_and_all_agree_on_their_number(asked, folder):
    with folder.held(Share(0, 2)):
        with folder.held(Share(1, 2), 0, 2), folder.held(Share(1, 2), 1, 2):
            pass  # jobs may have another number of processes each
        for other in (Share(0, 2), Share(1, 3)):
            with pytest.raises(UsageError, match="another run writes here") as refused, folder.held(other):
                pass
        assert "the same count" in refused.value.fix
        with pytest.raises(UsageError, match="another run writes here"), folder.held(Share(0, 2), 1, 2):
            pass  # the same share, cut up otherwise
    with folder.held(Share(0, 3)):
        pass
    assert not (folder.root / "locks").exists()


SLOW_RUN = """
import sys, time
from pathlib import Path
from vgcli_core.evaluation.plan import plan
from vgcli_core.evaluation.run_folder import RunFolder
from vgcli_core.evaluation.runner import answer
(asked,) = plan(["vsi_bench"], Path(sys.argv[1]))
def generate(samples):
    time.sleep(float(sys.argv[3]))
    return [sample.truth["ground_truth"] + " because" * 2000 for sample in samples]
print("begins", flush=True)
answer(asked, generate, RunFolder(Path(sys.argv[2])))
"""


def start(asked, out, seconds):
    words = [sys.executable, "-c", SLOW_RUN, str(asked.prepared.root.parent), str(out), str(seconds)]
    return subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 20))])
def test_killed_runs_end_with_the_same_lines(asked, tmp_path, seed):
    whole = RunFolder(tmp_path / "whole")
    answer(asked, lambda samples: [one.truth["ground_truth"] + " because" * 2000 for one in samples], whole)
    killed = RunFolder(tmp_path / "killed")
    for turn in (1, 2):
        process = start(asked, killed.root, 0.05)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(((seed * 37 + turn * 11) % 20) / 100)
        process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        process.wait()
    assert start(asked, killed.root, 0).wait() == 0
    assert lines(killed) == lines(whole)
    assert [path.name for path in killed.root.iterdir()] == ["answers"]
