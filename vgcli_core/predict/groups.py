"""Which questions look at the same frames: by what the user stated, else by the rule of their task."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vgcli_core.media.sampling import Sampling
from vgcli_core.media.sources import find
from vgcli_core.text.questions import Plan

# Detection was trained on windows of four frames about a second apart; everything else sees the whole video.
DETECTION = Sampling(fps=1.0, max_frames=4)
DEFAULT = Sampling(num_frames=32)


@dataclass(slots=True)
class Group:
    """The questions, by their place in the list, that share one choice of frames; `notes` explain the choice."""

    sampling: Sampling
    members: list[int] = field(default_factory=list)
    notes: tuple[str, ...] = ()


def group_by_frames(
    plans: Sequence[Plan], stated: Sampling | None, source: str | Path, *, usual: int | None = None
) -> list[Group]:
    """Group questions by the frames they need.

    Args:
        plans: the questions.
        stated: frames for all of them; where it states only a start, each task's rule begins there.
        source: what the frames are of.
        usual: evenly spaced frames that a model always saw in training: they go before the tasks' rules.
    """
    stated = stated or Sampling()
    if stated.num_frames or stated.fps or stated.indices:
        return [Group(stated, list(range(len(plans))))]
    if usual is not None:
        note = f"{usual} evenly spaced frames, as in this model's training; choose others with --num-frames or --frames"
        return [Group(replace(stated, num_frames=usual), list(range(len(plans))), notes=(note,))]
    note = "detect looks at up to 4 frames, a second apart, as in training; choose others with --start or --frames"
    whole = Group(replace(DEFAULT, start=stated.start))
    window = Group(replace(DETECTION, start=stated.start), notes=(note,))
    is_video = find(source).video is not None
    for index, one in enumerate(plans):
        # Pictures have no times to step through.
        (window if one.task == "detect" and is_video else whole).members.append(index)
    return [group for group in (whole, window) if group.members]
