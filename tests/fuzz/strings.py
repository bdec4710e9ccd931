"""Strings to torment parsers with: each kind takes a random generator and a rough length, and returns one text."""

import json
import random
from collections.abc import Callable

from vgcli_core.geometry.boxes import OrientedBox
from vgcli_core.text.answer_format import format_detection, format_grounding

Kind = Callable[[random.Random, int], str]

# Both would leave a trace if anything evaluated the text: a name in builtins, or a call of a patched function.
CANARY = "VGLLM_CANARY"
CODE = (
    f'setattr(__import__("builtins"), "{CANARY}", 1)',
    f'__import__("builtins").__dict__.update({CANARY}=1)',
    f'exec("import builtins; builtins.{CANARY} = 1")',
    'open("vgllm_canary.txt", "w").write("1")',
    f"[setattr(__builtins__, '{CANARY}', 1) for x in (0,)]",
    "9**9**9",
    "[0.0]*10**10",
    'doc["bbox_3d"]',
    "(lambda: 1)()",
    f"{{x: x for x in range(9)}} if setattr(__builtins__, '{CANARY}', 1) else 0",
)
NUMBERS = (
    *("NaN", "Infinity", "-Infinity", "nan", "-inf", "1e999", "-1e-999", "9" * 400, "0x1", "1_0", "+.5", "-0.0", "01"),
    *("٣", "３.５", "²", "Ⅷ", "一", "१०", "𝟗", "1,000", "1e5", "--1", "True", "null", "None", "1j", "1.2.3", "-", "."),
)
MARKS = (
    *"{}[](),:\"'`#\\ \t\n\r\f\v.-+*<>",
    "```json",
    "\\u",
    "\\x",
    "\\ud83d",
    "\\N{DIGIT ONE}",
    "\x85",
    "\u2028",
    "\x00",
)
WORDS = (
    *(
        '"bbox_3d"',
        "'bbox_3d'",
        '"label"',
        '"frame"',
        "bbox_3d",
        "label",
        "frame",
        "json",
        "answer",
        "Answer: ",
        "option",
    ),
    *(
        "The best answer is",
        "the correct option is (",
        "A",
        "B.",
        "(C)",
        "d)",
        "yes",
        "No",
        "two",
        "twenty-one",
        "hundred",
    ),
    *(
        "sos",
        "eos",
        "o' clock",
        "</think>",
        "<think>",
        "the",
        "a chair",
        "about",
        "m",
        "is",
        "Best answer:",
        "True",
        "chair",
    ),
)
OPENINGS = ("{", "[", "(", '{"a":', '{"bbox_3d":[', "{'label':(", '[{"frame":', "((", '{"a":{"b":', '"', "'", "\\")
CLOSINGS = ("}", "]", ")", "]}", "})", '"]', "'}", "")


def mutated(generator: random.Random, length: int) -> str:
    """Return a real answer after a few edits."""
    text = _answer(generator, length)
    for _ in range(generator.randrange(1, 6)):
        place = generator.randrange(len(text) + 1)
        end = min(len(text), place + generator.randrange(1, 12))
        edit = generator.randrange(6)
        piece = generator.choice(generator.choice((NUMBERS, MARKS, WORDS, CODE)))
        if edit == 0:
            text = text[:place] + text[end:]
        elif edit == 1:
            text = text[:end] + text[place:]
        elif edit == 2:
            text = text[:place] + piece + text[place:]
        elif edit == 3:
            text = text[:place] + piece + text[end:]
        elif edit == 4:
            text = text[:place]
        else:
            text = text[place:] + text[:place]
    return text


def random_bytes(generator: random.Random, length: int) -> str:
    """Return random bytes, decoded in one of the ways a careless program would."""
    raw = generator.randbytes(length)
    return generator.choice(
        (raw.decode("latin-1"), raw.decode("utf-8", "replace"), raw.decode("utf-8", "surrogateescape"))
    )


def pieces(generator: random.Random, length: int) -> str:
    """Return marks, words and numbers in any order."""
    table = (*NUMBERS, *MARKS, *MARKS, *WORDS)
    return "".join(generator.choices(table, k=max(1, length // 3)))


def code(generator: random.Random, length: int) -> str:
    """Return answers with code where a number, a label, a box or the whole answer should be."""
    piece = generator.choice(CODE)
    return _filled(
        generator,
        length,
        lambda: generator.choice(
            (
                piece,
                f'{{"frame": 0, "label": "chair", "bbox_3d": {piece}}}',
                f'{{"frame": {piece}, "label": {piece}, "bbox_3d": [0, 0, 0, 1, 1, 1, 0, 0, 0]}}',
                f'{{"frame": 0, "label": "chair", "bbox_3d": [{piece}, 0, 0, 1, 1, 1, 0, 0, 0]}}',
                f"The answer is {piece}.",
            )
        ),
    )


def numbers(generator: random.Random, length: int) -> str:
    """Return answers with odd numbers: not finite, of 400 digits, in other scripts."""

    def one() -> str:
        nine = ", ".join(generator.choices(("1.5", *NUMBERS), weights=(40, *[1] * len(NUMBERS)), k=9))
        number = generator.choice(NUMBERS)
        return generator.choice((number, f"about {number} m", f'{{"frame": 0, "label": "bed", "bbox_3d": [{nine}]}}'))

    return _filled(generator, length, one)


def nested(generator: random.Random, length: int) -> str:
    """Return deep nesting, closed or not."""
    opening, closing = generator.choice(OPENINGS), generator.choice(CLOSINGS)
    depth = max(1, length // (len(opening) + len(closing)))
    middle = generator.choice(("", "1", '"bbox_3d": 1', _answer(generator, 100)))
    return opening * depth + middle + closing * generator.choice((depth, depth // 2, 0))


def repeated(generator: random.Random, length: int) -> str:
    """Return a looping model: one to three pieces again and again, on one line or many."""
    table = (*NUMBERS, *MARKS, *WORDS, *OPENINGS)
    unit = "".join(generator.choices(table, k=generator.randrange(1, 4)))
    head, tail = (
        generator.choice(("", "{", '{"bbox_3d": "', '{"label": [', "(", "Answer: ")),
        generator.choice(("", "}", '"')),
    )
    return head + unit * max(1, length // len(unit)) + tail


def quotes(generator: random.Random, length: int) -> str:
    """Return quotes without partners, and backslashes before them."""
    table = ('"', "'", "\\", '\\"', "\\'", "{", "}", "a", ":", ",", "\n", '"bbox_3d":', "```")
    return "".join(generator.choices(table, k=max(1, length // 2)))


def breaks(generator: random.Random, length: int) -> str:
    """Return an answer with line ends of every kind in it."""
    text = _answer(generator, length)
    ends = generator.choices(("\n", "\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\n\n\n"), k=generator.randrange(1, 9))
    for end in ends:
        place = generator.randrange(len(text) + 1)
        text = text[:place] + end + text[place:]
    return text


def surrogates(generator: random.Random, length: int) -> str:
    """Return an answer with half characters and escapes of such."""
    text = _answer(generator, length)
    for _ in range(generator.randrange(1, 9)):
        place = generator.randrange(len(text) + 1)
        half = generator.choice(
            ("\ud83d", "\ude00", "\\ud83d", "\\ude00\\ud83d", "\U0001f600", "\\U0010ffff", "\\x", "\\u12")
        )
        text = text[:place] + half + text[place:]
    return text


KINDS: dict[str, Kind] = {
    "mutated answer": mutated,
    "random bytes": random_bytes,
    "pieces": pieces,
    "code": code,
    "odd numbers": numbers,
    "deep nesting": nested,
    "repetition": repeated,
    "quotes": quotes,
    "line breaks": breaks,
    "surrogates": surrogates,
}


def _answer(generator: random.Random, length: int) -> str:
    """Return a well-formed answer of some task, near `length` characters where its form allows."""
    form = generator.randrange(6)
    if form == 0:
        text = format_grounding(generator.randrange(40), _box(generator))
    elif form == 1:
        text = format_detection([_box(generator) for _ in range(max(1, length // 90))])
    elif form == 2:
        text = "\n".join(json.dumps({"label": "bed", "bbox_3d": [1] * 9}) for _ in range(max(1, length // 70)))
    else:
        text = " ".join(generator.choices(WORDS, k=max(1, min(length // 5, 40))))
    return text


def _box(generator: random.Random) -> OrientedBox:
    x, y, z, dx, dy, dz, a, b, c = (generator.uniform(-3, 3) for _ in range(9))
    return OrientedBox(
        (x, y, z), (abs(dx), abs(dy), abs(dz)), (a, b, c), generator.choice(("bed", "teacher's desk", "bin"))
    )


def _filled(generator: random.Random, length: int, one: Callable[[], str]) -> str:
    """Join texts by line breaks or commas until they are long enough."""
    parts, size = [one()], 0
    while size < length and len(parts) < 2000:
        parts.append(one())
        size += len(parts[-1]) + 1
    return generator.choice(("\n", ", ", ",\n")).join(parts)
