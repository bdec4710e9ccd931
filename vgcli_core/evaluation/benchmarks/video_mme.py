"""Video-MME: multiple choice about videos of minutes to an hour, without and with subtitles. Accuracy over questions.

Sources: Fu et al., Video-MME, CVPR 2025; results of arXiv 2505.24625v3, Table 6 (readers of lmms-eval).
"""

from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field

from vgcli_core.evaluation.benchmark import (
    CORRECTED,
    PUBLISHED,
    Benchmark,
    Extras,
    Item,
    Outcome,
    Published,
    Range,
    Truth,
)
from vgcli_core.evaluation.metrics.choices import LMMS_EVAL, accuracies, mark_letters
from vgcli_core.evaluation.metrics.letters import best_ranked, first_capital
from vgcli_core.text.answers import read_choice

LETTERS = "ABCD"


class VideoMmeTruth(Truth):
    """One question about a video, and what kind of video and question it is."""

    videoID: str  # noqa: N815  the owners' spelling of the file's name; their video_id is another number
    answer: str = Field(pattern=f"^[{LETTERS}]$")
    duration: Literal["short", "medium", "long"]
    domain: str
    sub_category: str
    task_type: str

    def group(self) -> str:
        """Return the video."""
        return self.videoID


def published(items: Sequence[Item[VideoMmeTruth]], extras: Extras) -> Outcome:
    """Take the first capital A to D anywhere in the text, as lmms-eval 0.3.0 did when the paper was written."""
    return _score(items, lambda text: first_capital(text, LETTERS))


def lmms_eval(items: Sequence[Item[VideoMmeTruth]], extras: Extras) -> Outcome:
    """Take the letter in the surest form."""
    return _score(items, lambda text: best_ranked(text, LETTERS))


def corrected(items: Sequence[Item[VideoMmeTruth]], extras: Extras) -> Outcome:
    """Take the option that the text settles on."""
    return _score(items, lambda text: read_choice(text, LETTERS))


def perfect(truth: VideoMmeTruth) -> str:
    """Return the letter."""
    return truth.answer


def score_range(truths: Sequence[VideoMmeTruth]) -> Range:
    """Return 1 and 0: an empty answer holds no letter."""
    return Range({"accuracy": 1.0}, {"accuracy": 0.0}) if truths else Range({}, {})


def _score(items: Sequence[Item[VideoMmeTruth]], read: Callable[[str], str | None]) -> Outcome:
    values, unparsed = mark_letters([read(item.text) for item in items], [item.truth.answer for item in items])
    groupings: dict[str, Sequence[str]] = {
        "duration": [item.truth.duration for item in items],
        "domain": [item.truth.domain for item in items],
        "sub_category": [item.truth.sub_category for item in items],
        "task_type": [item.truth.task_type for item in items],
    }
    return Outcome(accuracies(values, groupings), values, unparsed)


def _benchmark(name: str, title: str, split: str, small: float, large: float) -> Benchmark[VideoMmeTruth]:
    return Benchmark(
        name=name,
        title=title,
        dataset="video_mme",
        split=split,
        truth=VideoMmeTruth,
        protocols={PUBLISHED: published, LMMS_EVAL: lmms_eval, CORRECTED: corrected},
        headline=("accuracy",),
        published=(Published("accuracy", {"4B": small, "8B": large}, "arXiv 2505.24625v3, Table 6"),),
        example=VideoMmeTruth(
            videoID="fFjv93ACGo8",
            answer="C",
            duration="short",
            domain="Knowledge",
            sub_category="Humanity & History",
            task_type="Counting Problem",
        ),
        perfect=perfect,
        range=score_range,
        sizes=(2700,),
        differs={
            LMMS_EVAL: "the letter in the surest of nine forms counts, not the first capital",
            CORRECTED: "the option that the text settles on counts, small letters included",
        },
    )


# The questions are the same; what the model saw beside the frames is not.
BENCHMARK = _benchmark("video_mme", "Video-MME", "test", 0.574, 0.593)
BENCHMARK_SUBTITLES = _benchmark("video_mme_subtitles", "Video-MME with subtitles", "test_subtitles", 0.598, 0.639)
