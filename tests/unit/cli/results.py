"""Results made by hand, for tests of what the command line shows."""

import math

from vgcli_core.geometry.boxes import OrientedBox
from vgcli_core.predict.result import Answer, FoundBox, FrameInfo, ModelInfo, Result


def found_box(label: str = "sink") -> FoundBox:
    """A box in the camera of frame 12, turned by a quarter about z."""
    return FoundBox(OrientedBox((1.234, -0.5, 2.1), (0.6, 12.5, 0.2), (math.pi / 2, -0.0001, 0.0), label), 12, 3.2)


def answer(text: str = "two", **changes: object) -> Answer:
    """An answer to "how many chairs?", or what `changes` make of it."""
    values: dict[str, object] = {
        "id": "",
        "question": "how many chairs?",
        "task": "ask",
        "reason": "",
        "prompt": "These are frames of a video.\nhow many chairs?",
        "frame_names": False,
        "text": text,
        "status": "ok",
        "boxes": (),
        "unusable": (),
        "new_tokens": 3,
        "complete": True,
        "max_new_tokens": 16,
    }
    return Answer(**(values | changes))


def result(*answers: Answer, untrained: bool = False, source: str = "video.mp4", notes: tuple[str, ...] = ()) -> Result:
    """A run on 32 of 180 frames of 640x480."""
    model = ModelInfo(
        name="a model",
        path="",
        layout="generation-2",
        backbone="qwen2_5_vl",
        geometry_encoder="vggt",
        fusion="add",
        reference_frame="first",
        euler_convention="ZXY",
        prompt_revision=2,
        conventions_from="the checkpoint",
        untrained=untrained,
        parameters=4_200_000_000,
        device="cpu",
        dtype="float32",
        attention="sdpa",
    )
    return Result(
        source=source,
        frames=tuple(FrameInfo(i, 5 * i, i / 6) for i in range(32)),
        frame_size=(480, 640),
        total_frames=180,
        decoder="PyAV 18.1.0",
        answers=answers,
        model=model,
        notes=notes,
        timings={"decode": 0.25, "total": 1.5},
        counts={},
        generation={},
        versions={},
        seed=0,
    )
