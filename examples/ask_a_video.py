"""Ask a video from Python: python examples/ask_a_video.py [VIDEO [QUESTION [MODEL]]]

Without MODEL (a checkpoint folder or a hub name) the demo model answers, which knows synthetic rooms only.
"""

import sys
from pathlib import Path

from vgcli_core import load
from vgcli_core.errors import VgllmError

KITCHEN = Path(__file__).parent / "rooms" / "kitchen.mp4"


def main(video: str = str(KITCHEN), question: str = "where is the sink?", model: str | None = None) -> None:
    """Print the answer, and each box with the frame whose camera it is in."""
    result = load(model).ask(video, question)
    print(f"{result.answers[0].question} -> {result.text}")
    for found in result.boxes:
        x, y, z = found.box.center
        print(
            f"{found.box.label}: {x:.2f} right, {y:.2f} down, {z:.2f} forward (m) of the camera of frame {found.frame}"
        )
    for note in result.notes:
        print(f"note: {note}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except VgllmError as problem:
        sys.exit(f"error: {problem}")
