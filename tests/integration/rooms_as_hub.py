"""Rooms in the layouts of the benchmarks on data hubs: their films as videos, their frames as pictures.

Questions ask which label is in a room, so that their answers are true of what is shown.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tests.unit.data.sources.hub import packed, parquet
from vgcli_core.data.rooms.film import Film
from vgcli_core.data.sources.blink import TASKS as BLINK_TASKS
from vgcli_core.media.write import write_video

LETTERS = "ABCDE"
_ABSENT = ("horse", "boat", "cactus", "aeroplane", "elephant", "lighthouse", "tractor")
_DURATIONS = ("short", "medium", "long")
_DIMENSIONS = ("action", "speed", "direction", "order", "attribute_change")
_TYPES = ("CW", "CH", "TN", "TC", "DL", "DO")
_CV_SOURCES = (("2D", "Count", "ADE20K"), ("2D", "Relation", "COCO"), ("3D", "Depth", "Omni3D"))
_SRT = "1\n00:00:00,000 --> 00:00:09,000\nThis is a room.\n"


@dataclass(frozen=True)
class Choice:
    """Which of `options` is in the room: the one at `right`."""

    options: tuple[str, ...]
    right: int

    @property
    def lettered(self) -> list[str]:
        return [f"{letter}. {option}" for letter, option in zip(LETTERS, self.options, strict=False)]

    @property
    def answer(self) -> str:
        return self.options[self.right]


def choices(film: Film, number: int) -> Iterator[Choice]:
    """Yield a question with `number` options for each label in a room; the right one goes through the letters."""
    for place, label in enumerate(sorted({thing.label for thing in film.room.things})):
        others = [*_ABSENT[place % 3 :], *_ABSENT[: place % 3]][: number - 1]
        right = place % number
        yield Choice((*others[:right], label, *others[right:]), right)


def write_hub(films: Sequence[Film], raw: Path) -> None:
    """Write films below a folder of raw files: Video-MME, TempCompass, NExT-QA, CV-Bench and BLINK."""
    videos = [_video(film, raw / f"{place}.mp4") for place, film in enumerate(films)]
    _video_mme(films, videos, raw / "video_mme")
    _tempcompass(films, videos, raw / "tempcompass")
    _nextqa(films, videos, raw / "nextqa")
    _cv_bench(films, raw / "cv_bench")
    _blink(films, raw / "blink")


def _video(film: Film, path: Path) -> bytes:
    write_video(path, (np.asarray(Image.open(io.BytesIO(jpeg))) for jpeg in film.jpegs), film.room.fps)
    data = path.read_bytes()
    path.unlink()
    return data


def _video_mme(films: Sequence[Film], videos: Sequence[bytes], folder: Path) -> None:
    rows = [
        {
            "video_id": f"{place:03d}",
            "duration": _DURATIONS[number % 3],
            "domain": "Knowledge",
            "sub_category": "Humanity & History",
            "url": "",
            "videoID": f"room{place}",
            "question_id": f"{place:03d}-{number}",
            "task_type": "Object Recognition",
            "question": "Which of these is in the room?",
            "options": one.lettered,
            "answer": LETTERS[one.right],
        }
        for place, film in enumerate(films)
        for number, one in enumerate(choices(film, 4))
    ]
    parquet(folder / "videomme" / "test-00000-of-00001.parquet", rows)
    packed(folder / "videos_chunked_01.zip", {f"data/room{place}.mp4": data for place, data in enumerate(videos)})
    packed(folder / "subtitle.zip", {"subtitle/room0.srt": _SRT.encode()})


def _tempcompass(films: Sequence[Film], videos: Sequence[bytes], folder: Path) -> None:
    rows: dict[str, list[dict]] = {"multi-choice": [], "yes_no": [], "caption_matching": [], "captioning": []}
    for place, film in enumerate(films):
        for number, one in enumerate(choices(film, 2)):
            own = {"video_id": str(place), "dim": _DIMENSIONS[number % len(_DIMENSIONS)]}
            asked = "\n".join(["Which is in the room?", *one.lettered])
            rows["multi-choice"].append(own | {"question": asked, "answer": one.lettered[one.right]})
            said = ("yes", "no")[number % 2]
            label = one.options[one.right if said == "yes" else 1 - one.right]
            rows["yes_no"].append(own | {"question": f"Is there a {label}?", "answer": said})
            fits = [f"Option {count}: a {option} in a room" for count, option in enumerate(one.options, 1)]
            text = "\n".join(["Which fits?", *fits])
            rows["caption_matching"].append(own | {"question": text, "answer": fits[one.right]})
            about = {"mc_question": asked, "mc_answer": one.lettered[one.right]}
            rows["captioning"].append(own | {"question": "Describe it."} | about)
    for config, found in rows.items():
        parquet(folder / config / "test-00000-of-00001.parquet", found)
    packed(folder / "tempcompass_videos.zip", {f"videos/{place}.mp4": data for place, data in enumerate(videos)})


def _nextqa(films: Sequence[Film], videos: Sequence[bytes], folder: Path) -> None:
    chosen, open_ended = [], []
    for place, film in enumerate(films):
        labels = [thing.label for thing in film.room.things]
        for number, one in enumerate(choices(film, 5)):
            about = {"video": place, "qid": number, "frame_count": len(film.jpegs), "width": 72, "height": 54}
            options = {f"a{count}": option for count, option in enumerate(one.options)}
            kind = _TYPES[number % len(_TYPES)]
            asked = {"question": "what is in the room", "answer": one.right, "type": kind}
            chosen.append(about | asked | options)
            count = {"question": f"how many {one.answer}s are there", "answer": str(labels.count(one.answer))}
            named = {"question": "what is in the room", "answer": one.answer, "type": kind}
            open_ended.append(
                about | (count | {"type": "DC"} if number % 2 else named) | {"additional_ref_answer": None}
            )
    parquet(folder / "MC" / "test-00000-of-00001.parquet", chosen)
    parquet(folder / "OE" / "test-00000-of-00001.parquet", open_ended)
    packed(folder / "videos.zip", {f"NExTVideo/{place}.mp4": data for place, data in enumerate(videos)})


def _cv_bench(films: Sequence[Film], folder: Path) -> None:
    rows: list[dict] = []
    for film in films:
        for number, one in enumerate(choices(film, 3)):
            kind, task, source = _CV_SOURCES[number % len(_CV_SOURCES)]
            frame = number % len(film.jpegs)
            rows.append(
                {
                    "idx": len(rows),
                    "type": kind,
                    "task": task,
                    "image": {"bytes": film.jpegs[frame], "path": None},
                    "question": "Which of these is in the room?",
                    "choices": list(one.options),
                    "answer": f"({LETTERS[one.right]})",
                    "prompt": "",
                    "filename": f"img/{kind}/{len(rows)}.jpg",
                    "source": source,
                    "source_filename": f"{film.room.name}_{frame}.jpg",
                }
            )
    parquet(folder / "test.parquet", rows)


def _blink(films: Sequence[Film], folder: Path) -> None:
    tables: dict[str, list[dict]] = {task: [] for task in BLINK_TASKS}
    for film in films:
        for number, one in enumerate(choices(film, 4)):
            for task in list(tables)[number % 2 :: 2]:
                shown = film.jpegs[: 1 + number % 4]
                pictures = [{"bytes": jpeg, "path": None} for jpeg in shown] + [None] * (4 - len(shown))
                options = "\n".join(
                    f"({letter}) {option}" for letter, option in zip(LETTERS, one.options, strict=False)
                )
                tables[task].append(
                    {
                        "idx": f"val_{task}_{len(tables[task])}",
                        "sub_task": task,
                        "question": "Which of these is in the room?",
                        **{f"image_{place}": picture for place, picture in enumerate(pictures, 1)},
                        "choices": list(one.options),
                        "answer": f"({LETTERS[one.right]})",
                        "prompt": f"Which of these is in the room?\n{options}",
                        "explanation": "",
                    }
                )
    for task, rows in tables.items():
        parquet(folder / task / "val-00000-of-00001.parquet", rows)
