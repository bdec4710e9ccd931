"""Questions about a film as VSI-Bench asks them, with exact answers.

A question is asked only where the frames show what it takes, and where no reasonable person would answer otherwise:
things are named by a label that nothing else has, and what is compared differs by a clear margin.

Source: Yang et al., Thinking in Space, arXiv 2412.14171 (kinds of questions and their wording; formats of VSI-Bench).
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest

from vgcli_core.data import draws
from vgcli_core.data.rooms.question import CHOSEN, MEASURED, Draft, Question, lettered
from vgcli_core.data.rooms.questions_chosen import directions, nearest, orders, routes
from vgcli_core.data.rooms.questions_measured import counts, distances, room_sizes, sizes
from vgcli_core.data.rooms.shown import Shown

MOST = 3  # questions of one kind about one film


def ask(shown: Shown, seed: int, *, most: int = MOST) -> list[Question]:
    """Return the questions about some frames of a film, kind after kind.

    Args:
        shown: the frames.
        seed: of the choice of questions, options and letters.
        most: questions of one kind.
    """
    drafts: defaultdict[str, list[Draft]] = defaultdict(list)
    for measured in (counts, distances, sizes, room_sizes):
        for draft in measured(shown):
            drafts[draft.kind].append(draft)
    for chosen in (nearest, directions, routes, orders):
        generator = draws.generator(seed, "questions", shown.room.name, chosen.__name__)
        for draft in chosen(shown, generator):
            drafts[draft.kind].append(draft)
    asked = []
    for kind in (*MEASURED, *CHOSEN):
        draw = draws.generator(seed, "letters", shown.room.name, kind)
        different = list({draft.text: draft for draft in drafts[kind]}.values())
        asked += lettered(_answers_in_turn(different, draw)[:most], draw)
    return asked


def _answers_in_turn(drafts: Sequence[Draft], draw: random.Random) -> list[Draft]:
    """Shuffle drafts so that their answers take turns: what is in front is seen more often than what is behind."""
    groups: defaultdict[str, list[Draft]] = defaultdict(list)
    for draft in draw.sample(drafts, len(drafts)):
        groups[draft.answer].append(draft)
    return [draft for turn in zip_longest(*groups.values()) for draft in turn if draft is not None]
