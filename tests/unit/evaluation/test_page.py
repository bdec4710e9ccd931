"""The page of a run: every number and every loss is on it, nothing on it runs or is loaded, odd runs render."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from tests.unit.evaluation.pages import asked, box_text, detected, grounded, result
from vgcli_core.errors import OutputError
from vgcli_core.evaluation.benchmark import Extras
from vgcli_core.evaluation.page import write_page
from vgcli_core.evaluation.page_bars import bar, scale_of
from vgcli_core.evaluation.page_record import example_prompt, nested
from vgcli_core.evaluation.report import Scored

VOID = {"meta", "img", "br"}
RECORD = {
    "schema": "vgllm.eval/1",
    "model": {"name": "a/model", "files": {"w.safetensors": {"sha256": "0a1b"}}},
    "settings": {"max_new_tokens": {"ask": 16}, "prompt": None},
    "surprise": [{"unknown": True}, {"unknown": False}],
    "starts": [
        {"time": "2026-01-01", "command": "vgllm eval old"},
        {
            "time": "2026-01-02",
            "command": "vgllm eval quiz --out <run>",
            "code": {"vgllm": "1", "commit": "c0ffee" * 6},
        },
    ],
    "recheck": {"asked": 16, "different": 2, "dtype": "bfloat16"},
}


class Page(HTMLParser):
    """The text of a page, its tags, and whether every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.text, self.tags, self.open, self.levels, self.ids, self.links = "", [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name == "href"]
        if re.fullmatch(r"h\d", tag):
            self.levels.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def page_of(tmp_path, *results, record=RECORD, title="A run", **values):
    target = tmp_path / "report.html"
    write_page(target, results, record, title=title, **values)
    text = target.read_text(encoding="utf-8")
    return text, Page(text)


def grounding(tmp_path, answers, **scoring):
    samples = [grounded(key, scene=f"room{key}") for key in answers]
    return result(tmp_path / "set", "scanrefer", answers, samples, **scoring)


def choices(tmp_path, answers, **scoring):
    samples = [asked(key, scene=f"room{key}") for key in answers]
    return result(tmp_path / "quiz", "vsi_bench", answers, samples, **scoring)


def test_the_headline_stands_beside_the_published_numbers(tmp_path):
    _, page = page_of(tmp_path, grounding(tmp_path, {"a": box_text(), "b": box_text(0.5), "c": box_text(3), "d": ""}))
    # IoU of the second box: 0.5 / 1.5, over 0.25 and under 0.5.
    tile = page.text[page.text.index("acc@0.25\n50.00 %") :]
    assert tile.index("4B 36.4") < tile.index("acc@0.5\n25.00 %")
    assert "arXiv 2505.24625v3, Table 1" in page.text
    assert "corrected: the box is found anywhere in the text" in page.text


def test_what_was_lost_is_seen_with_its_reasons(tmp_path):
    answers = {"a": "B", "b": "?", "c": "", "d": "C"}
    _, page = page_of(tmp_path, choices(tmp_path, answers, failed={"c": "broken <frame>"}, cut_off={"d"}))
    for words in (
        "4 samples of 4 scenes or videos",
        "1 of 4 could not be read (25%)",
        "1 of 4 could not be asked for (25%)",
        "1 of 4 were cut off (25%)",
        "broken <frame>",
    ):
        assert words in page.text


def test_a_part_of_a_benchmark_is_said_at_the_top_of_it(tmp_path):
    text, page = page_of(tmp_path, choices(tmp_path, {"a": "B", "b": "A"}))
    (notice,) = re.findall(r'class="notice"[^>]*>([^<]*)', text)
    assert notice.startswith("a part of the benchmark: 2 samples")
    assert page.text.index(notice) < page.text.index("All scores")


def test_refined_scores_stand_beside_the_raw_ones(tmp_path):
    boxes = {f"room{key}": np.array([[0, 2, 0, 1, 1, 1.0]]) for key in "ab"}
    found = grounding(tmp_path, {"a": box_text(0.5), "b": box_text(0.5)}, extras=Extras(proposals=boxes))
    text, _ = page_of(tmp_path, found)
    names = re.findall(r'class="metric">([^<]*)</p>\n<p class="number">([^<]*)', text)
    assert names[:2] == [("acc@0.25", "100.00"), ("refined acc@0.25", "100.00")]
    assert names[2:] == [("acc@0.5", "0.00"), ("refined acc@0.5", "100.00")]


def test_several_benchmarks_have_an_overview_that_leads_to_each(tmp_path):
    _, page = page_of(tmp_path, grounding(tmp_path, {"a": "", "b": ""}), choices(tmp_path, {"a": "B", "b": "A"}))
    assert page.links == ["#benchmark-scanrefer", "#benchmark-vsi_bench"]
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert "2 not read; a part of the benchmark" in page.text


def test_a_benchmark_without_any_headline_score_says_what_it_needs(tmp_path):
    truth = {"video": "7", "type": "CW", "answer": "open door"}
    samples = [replace(asked(key), truth=truth, options=()) for key in "ab"]
    open_ended = result(tmp_path / "open", "nextqa_oe", {"a": "a door", "b": ""}, samples)
    _, page = page_of(tmp_path, choices(tmp_path, {"a": "B", "b": "A"}), open_ended)
    overview = page.text[: page.text.index("VSI-Bench\n")]
    assert re.search(r"nextqa_oe\s*no score.*\(--word-similarities\)", overview)
    assert "No score: WUPS is left out" in page.text
    assert "#benchmark-nextqa_oe" in page.links


def test_absent_classes_have_their_0_and_a_footnote_and_no_dot(tmp_path):
    found = result(tmp_path / "clips", "scannet_det", {"a": "[]", "b": "[]"}, [detected(key, "chair") for key in "ab"])
    text, page = page_of(tmp_path, found)
    assert page.text.count("* absent from these scenes; counts as 0 by the published rules") == 1
    absent = next(row for row in text.split("<tr>") if ">towl<" in row)
    assert absent.count("<td>0.00*</td>") == 3
    assert "<svg" not in absent and "interval" not in absent
    assert "<svg" in next(row for row in text.split("<tr>") if ">chair<" in row)
    assert "the data say towel, so it never occurs" in page.text


def test_tables_of_several_tasks_stand_under_their_names(tmp_path):
    found = choices(tmp_path, {"a": "B", "b": "A"})
    scored = tuple(
        Scored(f"{task} {metric}", f"{task}s {kind}", 0.5, None, 2)
        for task in ("ground", "ask")
        for kind, metrics in (("one", ("accuracy",)), ("two", ("accuracy", "error")))
        for metric in metrics
    )
    report = replace(found.report, headline=("average",), rules=(replace(found.report.rules[0], scores=scored),))
    text, page = page_of(tmp_path, replace(found, report=report))
    assert re.findall("<h4>(ground|ask)</h4>", text) == ["ground", "ask"]
    assert text.count('<th scope="col">accuracy</th>') == 4
    assert page.open == []


def test_nothing_on_the_page_is_loaded_or_runs(tmp_path):
    hostile = '<script>alert(1)</script><img src="https://x.test/a.png" onerror="f()">'
    found = choices(tmp_path, {"a": hostile, hostile: "B"})
    scored = found.report.rules[0]
    odd = (*scored.scores, Scored("score", hostile, None, None, 0))
    found = replace(found, report=replace(found.report, rules=(replace(scored, scores=odd), *found.report.rules[1:])))
    text, page = page_of(tmp_path, found, record={"model": {"name": hostile}, hostile: hostile}, title=hostile)
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in text
    assert 'src="https' not in text
    assert page.text.count("alert(1)") >= 5
    assert page.open == []


def test_headings_make_an_outline_and_every_tag_is_closed(tmp_path):
    _, page = page_of(tmp_path, grounding(tmp_path, {"a": box_text(), "b": ""}), choices(tmp_path, {"a": "B", "b": ""}))
    assert page.levels[0] == 1
    assert page.levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.levels, page.levels[1:], strict=False))
    assert page.open == []


def test_the_record_is_shown_whole_with_the_command_and_a_prompt(tmp_path):
    _, page = page_of(tmp_path, grounding(tmp_path, {"a": box_text(), "b": ""}))
    for words in ("vgllm eval quiz --out <run>", "vgllm eval old", "0a1b", "surprise", "2 of 16 answers differ"):
        assert words in page.text
    assert "Frame-0: [<image> x 2]\nWhere is the cube?" in page.text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": {"b": [1, 2.5]}}, '<dl><div class="nested"><dt>a</dt><dd><dl><div><dt>b</dt><dd>1, 2.5</dd></div>'),
        ([{"a": None}, {}], "<ol><li><dl><div><dt>a</dt><dd>-</dd></div></dl></li><li>-</li></ol>"),
        (True, "yes"),
        ([], "-"),
        ("<b>", "&lt;b&gt;"),
    ],
)
def test_plain_data_becomes_nested_lists(value, expected):
    assert nested(value).startswith(expected)


def test_a_lone_frame_and_no_sample_make_prompts_too(tmp_path):
    found = choices(tmp_path, {"a": "B"})
    assert example_prompt(found) == "<image>Which way?"
    assert example_prompt(replace(found, samples={})) == "(no sample)"


@pytest.mark.parametrize("record", [{}, {"starts": [], "model": "a name", "recheck": None}, {"starts": ["odd"]}])
def test_a_record_of_any_form_will_do(tmp_path, record):
    _, page = page_of(tmp_path, choices(tmp_path, {"a": "B", "b": "A"}), record=record)
    assert "Run record" in page.text
    assert "Run it again" not in page.text


def test_undefined_scores_and_no_samples_at_all_render(tmp_path):
    found = choices(tmp_path, {"a": "B"})
    rules = replace(found.report.rules[0], scores=(Scored("average", "", None, None, 0),))
    none = replace(found.report, n=0, groups=0, rules=(rules,), samples=())
    _, page = page_of(tmp_path, replace(found, samples={}, items={}, report=none))
    assert "average\n-\nundefined: nothing to average" in page.text
    assert "0 of 0 could not be read" in page.text


def test_one_scene_has_no_interval_and_says_so(tmp_path):
    _, page = page_of(tmp_path, choices(tmp_path, {"a": "B"}))
    assert "no interval: fewer than two scenes or videos" in page.text


def test_long_answers_unfold_and_pages_stay_small(tmp_path):
    text, page = page_of(tmp_path, choices(tmp_path, {"a": "long " * 1000, "b": "A"}))
    assert "... (+4,300 characters)" in page.text
    assert page.text.count("long ") == 1000
    assert len(text) < 200_000


def test_the_same_run_gives_the_same_page_and_leaves_nothing_else(tmp_path):
    found = grounding(tmp_path, {key: box_text(place / 10) for place, key in enumerate("abcdefgh")})
    assert page_of(tmp_path, found)[0] == page_of(tmp_path, found)[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "set"]


def test_a_page_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OutputError):
        page_of(tmp_path, choices(tmp_path, {"a": "B"}))


def test_marks_stand_where_the_numbers_are():
    drawn = bar(Scored("f1", "", 0.25, (0.2, 0.4), 9), {"4B": 0.5, "other": 2.0})
    assert 'x="25.00%"' in drawn
    assert 'x="20.00%" y="7" width="20.00%"' in drawn
    assert 'x="50.00%"' in drawn
    assert 'x="100.00%"' in drawn  # beyond the end
    assert 'aria-label="25.00 %, 95 % interval 20.0 to 40.0, paper 4B 50.0, paper other 200.0; scale 0 to 100"' in drawn


def test_no_bar_is_drawn_of_metres():
    assert bar(Scored("error", "", 0.25, None, 9, "m"), {}) == ""


@pytest.mark.parametrize(("values", "expected"), [([], 1), ([0.3], 1), ([1.2], 1.5), ([None, 2.5], 2.5)])
def test_a_scale_holds_what_is_above_100_percent(values, expected):
    assert scale_of([Scored("CIDEr", "", value, None, 1) for value in values], [0.8]) == expected
