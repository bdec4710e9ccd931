"""Questions about a film as VSI-Bench asks them, with exact answers.

A question is asked only where the frames show what it takes, and where no reasonable person would answer otherwise:
things are named by a label that nothing else has, and what is compared differs by a clear margin.

Source: Yang et al., Thinking in Space, arXiv 2412.14171 (kinds of questions and their wording; formats of VSI-Bench).
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

from vgcli_core.data import draws
from vgcli_core.data.rooms.question import CHOSEN, MEASURED, Draft, Question, lettered
from vgcli_core.data.rooms.questions_chosen import directions, nearest, orders, routes
from vgcli_core.data.rooms.questions_measured import counts, distances, room_sizes, sizes
from vgcli_core.data.rooms.shown import Shown

DIRECTIONS = tuple(kind for kind in CHOSEN if kind.startswith("object_rel_direction"))
MOST = 3  # questions of one kind about one film


def ask(shown: Shown, seed: int, *, most: int = MOST) -> list[Question]:
    """Return the questions about some frames of a film, kind after kind.

    Args:
        shown: the frames.
        seed: of the choice of questions, options and letters.
        most: questions of one kind.
    """
    drafts: defaultdict[str, list[Draft]] = defaultdict(list)
    for measured in (distances, sizes, room_sizes):
        for draft in measured(shown):
            drafts[draft.kind].append(draft)
    for drawn in (counts, nearest, directions, routes, orders):
        generator = draws.generator(seed, "questions", shown.room.name, drawn.__name__)
        for draft in drawn(shown, generator):
            drafts[draft.kind].append(draft)
    asked = []
    for kind in (*MEASURED, *CHOSEN):
        draw = draws.generator(seed, "letters", shown.room.name, kind)
        different = list({draft.text: draft for draft in drafts[kind]}.values())
        slots = islice(_answers_in_turn(different, draw, int(shown.room.name.rpartition("_")[2])), most)
        asked += lettered([draft for draft in slots if draft is not None], draw)
    return asked


def _answers_in_turn(drafts: Sequence[Draft], draw: random.Random, number: int) -> Iterator[Draft | None]:
    """Yield drafts so that their answers take turns in a drawn order.

    What is in front is seen more often than what is behind, and is the answer more often. So a direction that has no
    draft has its turn all the same, and gives None: otherwise one of the more frequent ones would be asked instead.
    Which direction comes last goes around from room to room, by their `number`, since few questions are asked of each.
    """
    groups: defaultdict[str, list[Draft]] = defaultdict(list)
    for draft in draw.sample(drafts, len(drafts)):
        groups[draft.answer].append(draft)
    same = {draft.choices for draft in drafts}
    sided = len(same) == 1 and drafts[0].kind in DIRECTIONS
    possible = sorted(*same) if sided else sorted(groups)
    while any(groups.values()):
        order = draw.sample(possible, len(possible))
        if sided:
            order.sort(key=lambda answer: answer == possible[number % len(possible)])
        for answer in order:
            if groups[answer]:
                yield groups[answer].pop()
            elif sided:
                yield None
