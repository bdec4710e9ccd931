"""From a user's question to the prompt that is sent: choose the task, say why, and refuse what cannot be asked.

`plan` is the one entrance for the command line and the library. `read_questions` reads many questions from a file.
"""

import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase
from typing import Any, Literal, get_args

from vgcli_core.errors import UsageError, lookup
from vgcli_core.geometry.boxes import Vec3
from vgcli_core.text.prompts import (
    Prompt,
    PromptRevision,
    Task,
    ask_prompt,
    caption_prompt,
    detect_prompt,
    ground_prompt,
    raw_prompt,
)
from vgcli_core.text.wording import asks_for_all_boxes, described_object, names_all_objects

_TASKS: dict[str, Task | Literal["auto"]] = {"auto": "auto", **{task: task for task in get_args(Task)}}
_KEYS = dict.fromkeys(("question", "task", "options", "id"))

_OPTION = re.compile(r"\(?([A-Z])[.)]\s*\S")
# A coordinate stands alone, but for a unit: the 3 of "3D" is none.
_COORDINATE = re.compile(
    r"(?<![\w.+-])([+-]?(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][+-]?\d++)?+)(?:\s?m(?:et(?:re|er)s?)?)?(?!\w)"
)
_POINT_FIX = (
    "give x, y and z in metres in the camera of the first frame (x right, y down, z forward), "
    'for example "0.4 -0.1 2.3"'
)


@dataclass(frozen=True, slots=True)
class Question:
    """What a user asks, before anything is decided.

    Attributes:
        text: the question, a description (ground) or a point (caption); empty for detect.
        task: what kind of answer is wanted; "auto" lets the words decide.
        options: choices to answer by letter, with or without their letters.
        id: the user's name for the question.
        where: the file and line it came from, for error messages.
    """

    text: str = ""
    task: Task | Literal["auto"] = "auto"
    options: tuple[str, ...] = ()
    id: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a question is put to the model.

    `question` is the user's, with options that stood in its text moved to `options`; `reason` says why "auto" chose
    the task and how the text was reworded, and is empty when neither happened.
    """

    question: Question
    task: Task
    prompt: Prompt
    reason: str = ""


def plan(question: Question, revision: PromptRevision, *, raw: bool = False) -> Plan:
    """Choose the task and the prompt of a question.

    Args:
        question: what the user asks.
        revision: the prompts that the weights were trained with.
        raw: send the text untouched, in the frame layout of the task.

    Raises:
        UsageError: the text is empty, or not what its task needs; names the way out.
    """
    if raw:
        _require_text(question)
        task = "ask" if question.task == "auto" else question.task
        return Plan(question, task, raw_prompt(question.text, task))
    question = _with_inline_options(question)
    if question.options and question.task not in ("auto", "ask"):
        raise UsageError(
            f"task {question.task} takes no options", where=question.where, fix="leave them out, or use --task ask"
        )
    if question.task == "auto":
        return _plan_auto(question, revision)
    return _plan_task(question, question.task, revision)


def read_questions(path: str | Path) -> list[Question]:
    """Read questions from a JSONL file: each line an object or just the question as a JSON string.

    Keys of an object: "question", and optionally "task", "options" (a list) and "id". Blank lines are skipped.

    Raises:
        UsageError, UnknownName: the file cannot be read or is empty, or a line is wrong; names file and line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        fix = "name a UTF-8 text file with one JSON value per line"
        raise UsageError(f"the questions cannot be read: {error}", where=str(path), fix=fix) from error
    # Not splitlines(), which also splits at characters that JSON strings may hold.
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        fix = 'write one question per line, for example {"question": "where is the sink?"}'
        raise UsageError("the file holds no questions", where=str(path), fix=fix)
    return [_question(line, f"{path}, line {number}") for number, line in lines]


def _plan_auto(question: Question, revision: PromptRevision) -> Plan:
    if question.options:
        return _plan_task(question, "ask", revision)
    if asks_for_all_boxes(question.text):
        reason = "task detect: the question asks for all objects (use --task ask to ask in words)"
        return Plan(question, "detect", detect_prompt(revision), reason)
    thing = described_object(question.text)
    if thing:
        description = _as_sentence(thing)
        reason = (
            f'task ground: the question asks for a place; sent as the description "{description}" '
            "(use --task ask to ask in words)"
        )
        return Plan(question, "ground", ground_prompt(description, revision), reason)
    return _plan_task(question, "ask", revision)


def _plan_task(question: Question, task: Task, revision: PromptRevision) -> Plan:
    if task == "detect":
        return _plan_detect(question, revision)
    _require_text(question)
    if task == "ask":
        return Plan(question, task, ask_prompt(question.text.strip("\r\n"), _checked_options(question)))
    if task == "caption":
        return Plan(question, task, caption_prompt(_point(question)))
    return _plan_ground(question, revision)


def _plan_ground(question: Question, revision: PromptRevision) -> Plan:
    reworded = described_object(question.text, commands=False)
    if reworded:
        description = _as_sentence(reworded)
        reason = f'sent as the description "{description}"'
        return Plan(question, "ground", ground_prompt(description, revision), reason)
    description = " ".join(question.text.split()).rstrip("? ")
    if not description:
        raise UsageError(
            "there is no description", where=question.where, fix='describe one object, for example "the red chair"'
        )
    return Plan(question, "ground", ground_prompt(_as_sentence(description), revision))


def _as_sentence(description: str) -> str:
    """Return a description with the full stop that those have which models are trained on."""
    return description if description.endswith((".", "!")) else f"{description}."


def _plan_detect(question: Question, revision: PromptRevision) -> Plan:
    if question.text.strip() and not names_all_objects(question.text):
        raise UsageError(
            f'task detect boxes all objects and takes no text, but got "{question.text.strip()}"',
            where=question.where,
            fix="leave the text out, or use --task ground to locate a described object",
        )
    return Plan(question, "detect", detect_prompt(revision))


def _require_text(question: Question) -> None:
    if not question.text.strip():
        raise UsageError("the question is empty", where=question.where, fix='ask something, like "where is the sink?"')


def _checked_options(question: Question) -> tuple[str, ...]:
    options = question.options
    if options and (not 2 <= len(options) <= len(ascii_uppercase) or not all(option.strip() for option in options)):
        raise UsageError(
            f"cannot choose by letter among {len(options)} options: {list(options)}",
            where=question.where,
            fix="give 2 to 26 options, none of them empty",
        )
    return options


def _with_inline_options(question: Question) -> Question:
    """Move options that end a question of several lines ("A. red", "B. blue") to `options`."""
    lines = [line.strip() for line in question.text.splitlines() if line.strip()]
    letters = [match[1] if (match := _OPTION.match(line)) else "" for line in lines]
    start = len(letters) - letters[::-1].index("A") - 1 if "A" in letters else 0
    count = len(lines) - start
    if question.options or start == 0 or count < 2 or "".join(letters[start:]) != ascii_uppercase[:count]:
        return question
    stem = lines[:start]
    if stem[-1].lower() in ("options:", "options"):
        stem.pop()
    return replace(question, text="\n".join(stem), options=tuple(lines[start:]))


def _point(question: Question) -> Vec3:
    numbers = [float(number) for number in _COORDINATE.findall(question.text)]
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        what = f'task caption needs one point of three numbers, but got "{question.text.strip()}"'
        raise UsageError(what, where=question.where, fix=_POINT_FIX)
    x, y, z = numbers
    return x, y, z


def _question(line: str, where: str) -> Question:
    try:
        row = json.loads(line)
        json.dumps(row, ensure_ascii=False).encode()  # an escaped half of a character is no text
    except (ValueError, RecursionError) as error:
        fix = 'write {"question": "where is the sink?"}, or just "where is the sink?" in quotes'
        raise UsageError(f"the line is not JSON: {error}", where=where, fix=fix) from error
    if isinstance(row, str):
        row = {"question": row}
    if not isinstance(row, dict):
        fix = 'write {"question": "where is the sink?"}, or just "where is the sink?" in quotes'
        raise UsageError(f"a question is an object or a string, not {line.strip()[:40]}", where=where, fix=fix)
    for key in row:
        lookup("key", _KEYS, key, where=where)
    options = row.get("options") or []
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        fix = 'for example "options": ["left", "right"]'
        raise UsageError('"options" is not a list of strings', where=where, fix=fix)
    task = lookup("task", _TASKS, _string(row, "task", where) or "auto", where=where)
    return Question(_string(row, "question", where), task, tuple(options), _string(row, "id", where), where)


def _string(row: dict[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if value is None:
        return ""
    if key == "id" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise UsageError(f"{key!r} is not a string: {str(value)[:40]}", where=where, fix=f'write "{key}": "..."')
    return value
