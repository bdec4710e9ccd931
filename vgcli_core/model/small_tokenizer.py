"""The tokenizer of the small model: whole words, whole sentences of our prompts, numbers cut for learning; else bytes.

- A sentence that every prompt of a kind has is one token, so a prompt is about a dozen.
- A number with a point is its whole part (", -1." or "[0." with what stands before it), then one token for each digit;
  other numbers are single digits.
- Words that are not known, and all other characters, are their bytes: any text comes back as it was.
"""

import re
from collections.abc import Iterator
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from vgcli_core.geometry.boxes import OrientedBox
from vgcli_core.model.processor import SYSTEM
from vgcli_core.model.small_words import PHRASES, WORDS
from vgcli_core.model.tiny import SPECIAL
from vgcli_core.text.answer_format import format_detection, format_grounding
from vgcli_core.text.prompts import ask_prompt, caption_prompt, detect_prompt, ground_prompt

_SPLIT = r"(?:, |\[)?-?[0-9]+\.(?=[0-9])| ?\p{L}+|[^\p{L}]"
_OPEN = "~"
# What differs from one prompt or answer to the next: texts, options, the numbers of points and boxes, frames.
_VARIES = re.compile(r'A\. ~\nB\. ~|~|\[0\.0(?:, 0\.0)+|(?<="frame": )0')
_LARGEST = 9  # metres, of coordinates and sizes
_LARGEST_ANSWER = 40  # square metres, of a room
_FRAMES = 8  # whose names are one token


def small_tokenizer() -> Any:
    """Build the tokenizer; nothing is trained, so it never changes."""
    from transformers import PreTrainedTokenizerFast

    spelled = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    whole = [*sorted(pre_tokenizers.ByteLevel.alphabet())]
    for text in (*_whole_parts(), *WORDS):
        whole += [spelling for spelling, _ in spelled.pre_tokenize_str(text)]
    vocab = {spelling: number for number, spelling in enumerate(dict.fromkeys(whole))}
    bare = Tokenizer(models.BPE(vocab=vocab, merges=[], ignore_merges=True))
    split = pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated", invert=False)
    bare.pre_tokenizer = pre_tokenizers.Sequence([split, spelled])
    bare.decoder = decoders.ByteLevel()
    bare.add_tokens([AddedToken(text, special=False, normalized=False) for text in dict.fromkeys(_sentences())])
    bare.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    names = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    return PreTrainedTokenizerFast(tokenizer_object=bare, **names)


def _whole_parts() -> Iterator[str]:
    yield from (f"{number}." for number in range(_LARGEST_ANSWER + 1))
    yield from (f"-{number}." for number in range(_LARGEST + 1))
    for before in (", ", "[", ", -", "[-"):
        yield from (f"{before}{number}." for number in range(_LARGEST + 1))


def _sentences() -> Iterator[str]:
    """Yield what is the same in all prompts and answers of a kind."""
    yield SYSTEM
    yield from (f"Frame-{number}: " for number in range(_FRAMES))
    box = OrientedBox((0.0,) * 3, (0.0,) * 3, (0.0,) * 3, _OPEN)
    prompts = (
        *(ask_prompt(_OPEN), ask_prompt(_OPEN, (_OPEN, _OPEN))),
        *(ground_prompt(_OPEN, 2), detect_prompt(2), caption_prompt((0.0,) * 3)),
    )
    for text in (*(prompt.text for prompt in prompts), format_grounding(0, box), format_detection([box, box])):
        yield from filter(None, _VARIES.split(text))
    yield from PHRASES
