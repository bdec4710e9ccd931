"""CIDEr, BLEU-1..4 and ROUGE-L of 2,000 items with 9,013 references, beside the recorded time of the COCO scorers.

Both are processor seconds of one thread where it can be chosen; the peer's were recorded on another, busy machine
(golden/metrics/caption_timing_peer.json), on captions of the same kind. METEOR is left out: both run the same program.

    python tests/bench/bench_captions.py [--rounds 5] [--seed 0]
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable

from vgcli_core.evaluation.metrics.bleu import bleu_sums
from vgcli_core.evaluation.metrics.captions import caption_scores, caption_sums, sos_eos
from vgcli_core.evaluation.metrics.cider import cider
from vgcli_core.evaluation.metrics.ngrams import count_ngrams
from vgcli_core.evaluation.metrics.rouge import rouge_l

ITEMS, REFERENCES = 2000, 9013
PEER = {"CIDEr": 1.107, "BLEU": 0.434, "ROUGE-L": 0.503}

THINGS = ("chair", "table", "couch", "lamp", "desk", "bed", "door", "window", "shelf", "sink", "trash can", "radiator")
LOOKS = ("brown", "black", "white", "gray", "wooden", "metal", "tall", "small", "round", "narrow", "dark", "green")
PLACES = ("next to", "in front of", "behind", "to the left of", "to the right of", "under", "above", "against")
TEMPLATES = (
    "This is a {look} {thing}. It is {place} the {other}.",
    "There is a {look}, {second} {thing}; the {thing} stands {place} the {other}!",
    "a {look} {thing} {place} the {other}",
    "The {thing} is {look} and {second}. It sits {place} a {third} {other}, facing the {last}.",
    "This {look} {thing} is the {count} one from the left. You'll see it {place} the {other}.",
)


def caption(thing: str, draw: random.Random) -> str:
    """Describe a thing in one of a few ways."""
    look, second, third = draw.sample(LOOKS, 3)
    other, last = draw.sample(THINGS, 2)
    fields = {"look": look, "second": second, "third": third, "other": other, "last": last}
    count = draw.choice(("first", "second", "third"))
    return draw.choice(TEMPLATES).format(thing=thing, place=draw.choice(PLACES), count=count, **fields)


def corpus(seed: int) -> tuple[list[str], list[list[str]]]:
    """Return captions and references, four or five for each, in Scan2Cap's text form."""
    draw = random.Random(seed)
    things = [draw.choice(THINGS) for _ in range(ITEMS)]
    each, more = divmod(REFERENCES, ITEMS)
    references = [[caption(thing, draw) for _ in range(each + (at < more))] for at, thing in enumerate(things)]
    # Half of the captions change a reference a little, the others say something new.
    captions = [
        own[0].replace(" the ", " a ", 1) if draw.random() < 0.5 else caption(thing, draw)
        for thing, own in zip(things, references, strict=True)
    ]
    return [sos_eos(text) for text in captions], [[sos_eos(text) for text in own] for own in references]


def median_seconds(work: Callable[[], object], rounds: int) -> float:
    """Return the median processor seconds."""
    found = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return statistics.median(found)


def main() -> None:
    """Print processor seconds and the ratio to the recorded peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    captions, references = corpus(args.seed)
    words = sum(len(text.split()) for own in references for text in own)
    print(f"{ITEMS:,} items, {REFERENCES:,} references of {words / REFERENCES:.1f} words, Scan2Cap's text form")

    ngrams = count_ngrams(captions, references)
    parts = {
        "n-grams": median_seconds(lambda: count_ngrams(captions, references), args.rounds),
        "CIDEr": median_seconds(lambda: cider(ngrams), args.rounds),
        "BLEU": median_seconds(lambda: bleu_sums(ngrams), args.rounds),
        "ROUGE-L": median_seconds(lambda: rouge_l(captions, references), args.rounds),
    }
    print("parts: " + ", ".join(f"{name} {seconds:.3f} s" for name, seconds in parts.items()))
    whole = median_seconds(lambda: caption_scores(caption_sums(captions, references).sum(axis=0)), args.rounds)
    peer = sum(PEER.values())
    print(f"together {whole:.3f} processor seconds (median of {args.rounds})")
    print(f"peer, recorded elsewhere: {peer:.2f} s ({', '.join(f'{name} {s:.3f}' for name, s in PEER.items())})")
    print(f"recorded / ours {peer / whole:.1f} (target: at least 2)")


if __name__ == "__main__":
    main()
