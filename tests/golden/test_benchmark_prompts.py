"""What the prepared benchmarks ask equals what the reference and lmms-eval were recorded to ask, letter for letter."""

import json
from pathlib import Path

from vgcli_core.data.sources import blink, cv_bench, nextqa, tempcompass, video_mme


def rows(golden: Path, name: str) -> list[dict]:
    found = [json.loads(line) for line in (golden / "metrics" / name).read_text(encoding="utf-8").splitlines()]
    assert found
    return found


def test_cv_bench(golden):
    for row in rows(golden, "cvbench.jsonl"):
        question = cv_bench.Question(
            "x", row["type"], row["task"], row["question"], tuple(row["choices"]), row["answer"], row["source"], "", ""
        )
        assert cv_bench.prompt(question) == row["prompt"]


def test_blink(golden):
    recorded = rows(golden, "blink.jsonl")
    for row in recorded:
        assert blink.prompt(row["sub_task"], row["prompt"]) == row["full_prompt"]
    assert {row["sub_task"] for row in recorded} <= set(blink.TASKS)


def test_video_mme(golden):
    for row in rows(golden, "videomme.jsonl"):
        question = video_mme.Question(
            row["question_id"], row["question"], tuple(row["options"]), row["answer"], row["duration"], "", "", ""
        )
        assert video_mme.prompt(question, None) == row["prompt"]


def test_tempcompass(golden):
    checked = 0
    for row in rows(golden, "tempcompass.jsonl"):
        if "prompt" in row:
            assert tempcompass.prompt(row["task"], row["question"]) == row["prompt"]
            checked += 1
    assert checked


def test_nextqa(golden):
    for row in rows(golden, "nextqa_mc.jsonl"):
        read = nextqa._read({**row, "qid": "0"}, "test")
        assert not isinstance(read, Exception), read
        assert nextqa.prompt(read[1], instruction=False) == row["prompt"]
