"""One row of LLaVA-Hound: a question about a video, with its tag taken out, becomes a sample about frames.

Source: formats of LLaVA-Hound, sections 2 to 4.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vgcli_core.data.llava_hound.folders import is_video_id
from vgcli_core.data.sample import Sample, Turn, human_turn

_TAG = re.compile(r"<(?:image|video)>\n?")
_VIDEO_ENDING = re.compile(r"\.(?:mp4|avi|mkv|mov|webm|gif)\Z", re.IGNORECASE)
_FRAMES = "llava_hound/frames"

BAD_FORM = "row of another form"


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can become a sample: its id, its video, its turns without tags."""

    id: str
    video: str
    turns: tuple[Turn, ...]


def video_of(row: object) -> str:
    """Return the id of a row's video: the last part of its path, without the ending of a video; "" for none."""
    video = row.get("video") if isinstance(row, dict) else None
    if not isinstance(video, str):
        return ""
    name = _VIDEO_ENDING.sub("", video.replace("\\", "/").rstrip("/").rpartition("/")[2])
    return name if is_video_id(name) else ""


def parse_row(row: object) -> Row | None:
    """Return a row, None where it has another form. Tags are taken out wherever they stand."""
    video = video_of(row)
    if not isinstance(row, dict) or not video:
        return None
    given = row.get("conversations")
    if not isinstance(given, list) or not given or len(given) % 2:
        return None
    turns = []
    for number, turn in enumerate(given):
        speaker = "gpt" if number % 2 else "human"
        if not isinstance(turn, dict) or turn.get("from") != speaker or not isinstance(turn.get("value"), str):
            return None
        text = _TAG.sub("", turn["value"])
        turns.append(Turn("gpt" if number % 2 else "human", text.strip("\n") if text != turn["value"] else text))
    if not turns[0].text.strip() or not _can_be_written(row):
        return None
    return Row(str(row.get("id", video)), video, tuple(turns))


def to_sample(row: Row, sample_id: str, frames: Sequence[str]) -> Sample:
    """Return the sample of a row; `frames` are file names in the folder of its video."""
    opening = human_turn(row.turns[0].text, len(frames), newline="\n")
    return Sample(
        id=sample_id,
        dataset="llava_hound",
        split="train",
        scene=row.video,
        task="ask",
        frames=tuple(f"{_FRAMES}/{row.video}/{name}" for name in frames),
        conversations=(opening, *row.turns[1:]),
        tag="2d",
        info={"id": row.id},
    )


def to_record(sample: Sample) -> dict[str, Any]:
    """Return a sample in the layout of the published annotations, which name a folder instead of frames."""
    turns = [Turn("human", f"<video>\n{sample.question}"), *sample.conversations[1:]]
    return {
        "id": sample.info["id"],
        "conversations": [{"from": turn.speaker, "value": turn.text} for turn in turns],
        "data_source": "llava_hound",
        "video": f"{_FRAMES}/{sample.scene}",
    }


def _can_be_written(row: dict[str, Any]) -> bool:
    """Tell whether the row is UTF-8 when it is written: JSON can also hold half characters."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except ValueError:
        return False
    return True
