"""Caption metrics against recorded scores: COCO's tokens, Scan2Cap's text form, and that form behind the IoU gate.

`data/metrics/caption_small.jsonl` holds the first tiny corpora of golden/metrics, so that these tests run in every
clone.
"""

import json

import numpy as np
import pytest

from vgcli_core.evaluation.benchmark import PUBLISHED, Extras, Item
from vgcli_core.evaluation.benchmarks.scan2cap import BENCHMARK, Scan2CapTruth
from vgcli_core.evaluation.meteor import INSTALL, MeteorProcess, find_meteor
from vgcli_core.evaluation.metrics.captions import METRICS, caption_scores, caption_sums, sos_eos
from vgcli_core.evaluation.metrics.meteor import meteor, meteor_sums

# A key of the items, and the key of the corpus scores that belongs to it.
FORMS = {"coco": "coco", "scan2cap": "scan2cap_no_iou_gate", "scan2cap_iou50": "scan2cap_iou50"}
EXACT = {"rtol": 0, "atol": 1e-9}


def small(folder):
    """Yield the items and the corpus scores of each tiny corpus."""
    for line in (folder / "metrics" / "caption_small.jsonl").read_text().splitlines():
        corpus = json.loads(line)
        yield corpus["items"], corpus["summary"]


def large(folder):
    """Yield the items and the corpus scores of the two large corpora."""
    summary = json.loads((folder / "metrics" / "caption_summary.json").read_text())
    for name, scores in summary.items():
        yield [json.loads(line) for line in (folder / "metrics" / f"{name}.jsonl").read_text().splitlines()], scores


def texts(items, form):
    """Return captions and references in the form that was scored."""
    if form == "coco":
        return [item["ptb_pred"] for item in items], [item["ptb_refs"] for item in items]
    shown = [item["pred"] if form == "scan2cap" or item["iou"] >= 0.5 else "" for item in items]
    return [sos_eos(text) for text in shown], [[sos_eos(text) for text in item["refs"]] for item in items]


def statistics(items, form):
    """Return the recorded statistics [N, 23]."""
    return np.array([item[f"{form}_meteor_stats"].split() for item in items], dtype=np.float64)


def hold_every_score(corpora):
    seen = 0
    for items, summary in corpora:
        for form, of_corpus in FORMS.items():
            sums = caption_sums(*texts(items, form))
            recorded = [[item[form][name] for name in METRICS] for item in items]
            np.testing.assert_allclose(caption_scores(sums), recorded, **EXACT)
            expected = [summary[of_corpus][name] for name in METRICS]
            np.testing.assert_allclose(caption_scores(sums.sum(axis=0)), expected, **EXACT)
            seen += len(items)
    assert seen


def hold_meteor_from_its_statistics(corpora):
    seen = 0
    for items, summary in corpora:
        for form in ("coco", "scan2cap"):
            sums = meteor_sums(statistics(items, form))
            np.testing.assert_allclose(meteor(sums), [item[form]["METEOR"] for item in items], **EXACT)
            np.testing.assert_allclose(meteor(sums.sum(axis=0)), summary[FORMS[form]]["METEOR"], **EXACT)
            seen += len(items)
    assert seen


def hold_the_benchmark(corpora):
    seen = 0
    for items, summary in corpora:
        outcome = BENCHMARK.protocols[PUBLISHED](
            [
                Item(str(item["id"]), item["pred"], Scan2CapTruth(references=item["refs"], iou=item["iou"], scene=""))
                for item in items
            ],
            # Empty captions have no recorded statistics, so METEOR is checked where no caption is dropped.
            Extras(meteor=lambda asked, _, of=items: statistics(of, "scan2cap")[: len(asked)]),
        )
        found = {
            metric.name: score for metric, score in zip(outcome.tally.metrics, outcome.tally.scores(), strict=True)
        }
        for gate, key in (("0.5", "scan2cap_iou50"), ("0", "scan2cap_no_iou_gate")):
            names = METRICS if gate == "0.5" else (*METRICS, "METEOR")
            for name in names:
                np.testing.assert_allclose(found[f"{name}@{gate}"], summary[key][name], **EXACT)
        np.testing.assert_allclose(100 * found["CIDEr@0.5"], summary["scan2cap_returned_by_reference"], rtol=1e-9)
        recorded = [item["scan2cap_iou50"]["CIDEr"] for item in items]
        np.testing.assert_allclose(10 * outcome.values, recorded, **EXACT)
        seen += len(items)
    assert seen


def test_scores_of_tiny_corpora_are_as_recorded(golden_or_copy):
    hold_every_score(small(golden_or_copy))


def test_scores_of_large_corpora_are_as_recorded(golden):
    hold_every_score(large(golden))


def test_meteor_of_tiny_corpora_follows_from_recorded_statistics(golden_or_copy):
    hold_meteor_from_its_statistics(small(golden_or_copy))


def test_meteor_of_large_corpora_follows_from_recorded_statistics(golden):
    hold_meteor_from_its_statistics(large(golden))


def test_scan2cap_of_tiny_corpora_scores_as_recorded(golden_or_copy):
    hold_the_benchmark(small(golden_or_copy))


def test_scan2cap_of_large_corpora_scores_as_recorded(golden):
    hold_the_benchmark(large(golden))


def test_the_text_form_is_the_recorded_one(golden):
    for items, _ in [*small(golden), *large(golden)]:
        assert [sos_eos(item["pred"]) for item in items] == [item["scan2cap_pred"] for item in items]


def test_meteor_of_a_dropped_caption_is_as_recorded(golden):
    """With one reference the statistics of "sos eos" are known: two words that match apart from each other."""
    dropped = [item for items, _ in large(golden) for item in items if item["iou"] < 0.5 and len(item["refs"]) == 1]
    assert dropped
    rows = statistics(dropped, "scan2cap")
    rows[:, 0], rows[:, 2] = 2, 0
    rows[:, 4:] = [2, 2, *[0] * 14, 2, 2, 2]
    recorded = [item["scan2cap_iou50"]["METEOR"] for item in dropped]
    np.testing.assert_allclose(meteor(meteor_sums(rows)), recorded, **EXACT)


@pytest.mark.slow
def test_the_program_gives_the_recorded_statistics(golden):
    found = find_meteor()
    if isinstance(found, str):
        pytest.skip(f"METEOR was not run: {found}; {INSTALL}")
    with MeteorProcess(found) as align:
        for items, summary in [*large(golden), *small(golden)]:
            for form in ("coco", "scan2cap"):
                same = (align(*texts(items, form)) == statistics(items, form)).all(axis=1)
                assert (~same).sum() <= len(items) / 50  # another Java may break a tie the other way
            sums = meteor_sums(align(*texts(items, "scan2cap_iou50")))
            off = np.abs(meteor(sums) - [item["scan2cap_iou50"]["METEOR"] for item in items]) > 1e-9
            assert off.sum() <= len(items) / 50
            assert meteor(sums.sum(axis=0)) == pytest.approx(summary["scan2cap_iou50"]["METEOR"], abs=1e-3)
