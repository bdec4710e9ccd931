"""One question about a film: its kind, its text, its answer; and how options get their letters."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from vgcli_core.text.prompts import with_letters

MEASURED = ("object_counting", "object_abs_distance", "object_size_estimation", "room_size_estimation")
CHOSEN = (
    *("object_rel_distance", "object_rel_direction_easy", "object_rel_direction_medium", "object_rel_direction_hard"),
    *("route_planning", "obj_appearance_order"),
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A question whose options, if it has any, have no order yet.

    Attributes:
        kind: of MEASURED or CHOSEN.
        text: the question.
        answer: a number, or one of `choices`.
        choices: what one can choose from; () where the answer is a number.
        things: positions in `Room.things` of the things that it names, or counts.
    """

    kind: str
    text: str
    answer: str
    choices: tuple[str, ...] = ()
    things: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it is asked.

    Attributes:
        kind: of MEASURED or CHOSEN.
        number: tells questions of one kind about one film apart.
        text: the question, without its options.
        options: with their letters, "A. bed"; () where the answer is a number.
        answer: a letter, or a number as text.
        things: positions in `Room.things` of the things that it names, or counts.
    """

    kind: str
    number: int
    text: str
    options: tuple[str, ...]
    answer: str
    things: tuple[int, ...]


def lettered(drafts: Sequence[Draft], draw: random.Random) -> list[Question]:
    """Give drafts of one kind their letters: right answers take turns among them, from a drawn one on."""
    asked = []
    start = draw.randrange(12)  # a multiple of 2, 3 and 4: every letter is as likely to be first
    for number, draft in enumerate(drafts):
        if not draft.choices:
            asked.append(Question(draft.kind, number, draft.text, (), draft.answer, draft.things))
            continue
        others = [choice for choice in draft.choices if choice != draft.answer]
        place = (start + number) % len(draft.choices)
        order = draw.sample(others, len(others))
        order.insert(place, draft.answer)
        letter = ascii_uppercase[place]
        asked.append(Question(draft.kind, number, draft.text, with_letters(order), letter, draft.things))
    return asked
