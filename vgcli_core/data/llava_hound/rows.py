"""One row of LLaVA-Hound: a question about a video, whose tag becomes one for each frame.

Source: formats of LLaVA-Hound, sections 2 to 4.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vgcli_core.data.llava_hound.folders import is_video_id
from vgcli_core.data.sample import IMAGE, Sample, Turn, human_turn

_VIDEO = "<video>"
_TAG = re.compile(r"<(?:image|video)>")
_TAG_AND_NEWLINE = re.compile(r"<(?:image|video)>\n?")
_VIDEO_ENDING = re.compile(r"\.(?:mp4|avi|mkv|mov|webm|gif)\Z", re.IGNORECASE)
_FRAMES = "llava_hound/frames"

BAD_FORM = "row of another form"


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can become a sample: its id, its video, its turns as they are given, tags included."""

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
    """Return a row, None where it has another form."""
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
        turns.append(Turn("gpt" if number % 2 else "human", turn["value"]))
    if not _TAG.sub("", turns[0].text).strip() or not _can_be_written(row):
        return None
    return Row(str(row.get("id", video)), video, tuple(turns))


def with_frames(turns: Sequence[Turn], num_frames: int) -> tuple[Turn, ...]:
    """Return the turns with one `<image>` for each frame.

    A tag that is the only one of the conversation, in its first turn, is replaced where it stands, as in training on
    the published file. Otherwise the frames stand at the start, and tags are taken out, each with one newline after it.
    """
    first, *others = turns
    if len(_TAG.findall(first.text)) == 1 and not any(_TAG.search(turn.text) for turn in others):
        return (Turn("human", _TAG.sub(IMAGE * num_frames, first.text)), *others)
    plain = [Turn(turn.speaker, _TAG_AND_NEWLINE.sub("", turn.text)) for turn in turns]
    return (human_turn(plain[0].text, num_frames, newline="\n"), *plain[1:])


def to_sample(row: Row, sample_id: str, frames: Sequence[str]) -> Sample:
    """Return the sample of a row; `frames` are file names in the folder of its video."""
    return Sample(
        id=sample_id,
        dataset="llava_hound",
        split="train",
        scene=row.video,
        task="ask",
        frames=tuple(f"{_FRAMES}/{row.video}/{name}" for name in frames),
        conversations=with_frames(row.turns, len(frames)),
        tag="2d",
        info={"id": row.id},
    )


def to_record(sample: Sample) -> dict[str, Any]:
    """Return a sample in the layout of the published annotations, which name a folder instead of frames."""
    first, *others = sample.conversations
    turns = [Turn("human", first.text.replace(IMAGE * len(sample.frames), _VIDEO, 1)), *others]
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
