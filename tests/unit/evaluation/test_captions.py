"""Caption metrics against hand arithmetic and slow, obvious versions of their definitions."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgcli_core.evaluation.metrics.bleu import bleu, bleu_sums
from vgcli_core.evaluation.metrics.captions import (
    METRICS,
    WITH_METEOR,
    caption_scores,
    caption_sums,
    plain_words,
    sos_eos,
)
from vgcli_core.evaluation.metrics.cider import cider
from vgcli_core.evaluation.metrics.meteor import meteor, meteor_sums
from vgcli_core.evaluation.metrics.ngrams import count_ngrams
from vgcli_core.evaluation.metrics.rouge import rouge_l

# Few words and blanks of any kind, so that n-grams repeat, texts are empty and double blanks come up.
texts = st.lists(st.sampled_from(["a", "b", "c", "chair", " ", ""]), max_size=9).map(" ".join)
corpora = st.lists(st.tuples(texts, st.lists(texts, min_size=1, max_size=3)), min_size=1, max_size=5).map(
    lambda items: ([text for text, _ in items], [own for _, own in items])
)


def runs(text, n):
    words = text.split()
    return Counter(tuple(words[start : start + n]) for start in range(len(words) - n + 1))


def slow_cider(hypotheses, references):
    """The definition, word by word and pair by pair."""
    scores = []
    for text, own in zip(hypotheses, references, strict=True):
        similarities = []
        for reference in own:
            penalty = math.exp(-((sum(runs(text, 2).values()) - sum(runs(reference, 2).values())) ** 2) / 72)
            similarities += [penalty * slow_cosine(text, reference, references, n) for n in (1, 2, 3, 4)]
        scores.append(10 * sum(similarities) / len(similarities))
    return scores


def slow_cosine(text, reference, references, n):
    def weighted(one):
        documents = {gram: sum(any(gram in runs(other, n) for other in own) for own in references) for gram in one}
        return {gram: count * math.log(len(references) / max(documents[gram], 1)) for gram, count in one.items()}

    ours, theirs = weighted(runs(text, n)), weighted(runs(reference, n))
    product = sum(min(ours[gram], theirs[gram]) * theirs[gram] for gram in ours.keys() & theirs.keys())
    bound = math.hypot(*ours.values()) * math.hypot(*theirs.values())
    return product / bound if bound else 0.0


def slow_bleu(hypotheses, references):
    """BLEU-1 to BLEU-4 of the whole corpus, from its definition and the two small terms."""
    matched, total, length, closest = [0] * 4, [0] * 4, 0, 0
    for text, own in zip(hypotheses, references, strict=True):
        for n in (1, 2, 3, 4):
            ours = runs(text, n)
            total[n - 1] += sum(ours.values())
            matched[n - 1] += sum(min(count, max(runs(one, n)[gram] for one in own)) for gram, count in ours.items())
        words = len(text.split())
        length += words
        closest += min((abs(len(one.split()) - words), len(one.split())) for one in own)[1]
    ratio = (length + 1e-15) / (closest + 1e-9)
    penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    precisions = [(hit + 1e-15) / (all_ + 1e-9) for hit, all_ in zip(matched, total, strict=True)]
    return [math.prod(precisions[:n]) ** (1 / n) * penalty for n in (1, 2, 3, 4)]


def slow_common(one, other):
    """The textbook table of the longest common subsequence."""
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, left in enumerate(one):
        for j, right in enumerate(other):
            table[i + 1][j + 1] = table[i][j] + 1 if left == right else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


def slow_rouge(text, own):
    words = text.split(" ")
    pairs = [(slow_common(words, one.split(" ")), len(one.split(" "))) for one in own]
    precision, recall = max(hit for hit, _ in pairs) / len(words), max(hit / length for hit, length in pairs)
    return 2.44 * precision * recall / (recall + 1.44 * precision) if precision and recall else 0.0


@given(corpora)
def test_cider_equals_its_definition_written_out(corpus):
    np.testing.assert_allclose(cider(count_ngrams(*corpus)), slow_cider(*corpus), rtol=0, atol=1e-9)


@given(corpora)
def test_bleu_of_a_corpus_and_of_each_item_equals_its_definition_written_out(corpus):
    sums = bleu_sums(count_ngrams(*corpus))
    np.testing.assert_allclose(bleu(sums.sum(axis=0)), slow_bleu(*corpus), rtol=0, atol=1e-9)
    for row, text, own in zip(bleu(sums), *corpus, strict=True):
        np.testing.assert_allclose(row, slow_bleu([text], [own]), rtol=0, atol=1e-9)


@given(corpora)
def test_rouge_equals_the_textbook_table(corpus):
    expected = [slow_rouge(text, own) for text, own in zip(*corpus, strict=True)]
    np.testing.assert_allclose(rouge_l(*corpus), expected, rtol=0, atol=1e-12)


@given(corpora, st.randoms(use_true_random=False))
def test_scores_do_not_depend_on_the_order_of_items_or_references(corpus, random):
    pairs = list(zip(*corpus, strict=True))
    random.shuffle(pairs)
    mixed = [[text for text, _ in pairs], [random.sample(own, len(own)) for _, own in pairs]]
    one, other = (caption_scores(caption_sums(*which).sum(axis=0)) for which in (corpus, mixed))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_two_captions_that_equal_their_only_references_reach_the_largest_cider():
    captions = ["a brown chair near the door", "one tall lamp beside my bed"]
    np.testing.assert_allclose(cider(count_ngrams(captions, [[text] for text in captions])), [10, 10])


def test_words_that_every_item_shares_add_nothing_to_cider():
    # "x" is in both reference sets, so it weighs ln(2/2) = 0; "y" alone is left, in no reference.
    assert cider(count_ngrams(["x", "x y"], [["x"], ["x"]])).tolist() == [0, 0]


def test_one_item_alone_has_no_cider():
    assert cider(count_ngrams(["a brown chair"], [["a brown chair"]])).tolist() == [0]


def test_a_repeated_word_counts_in_bleu_as_often_as_one_reference_has_it():
    sums = bleu_sums(count_ngrams(["the the the"], [["the cat the", "the"]]))
    assert sums[0].tolist() == [2, 0, 0, 0, 3, 2, 1, 0, 3]


def test_of_two_equally_close_references_bleu_takes_the_shorter_length():
    assert bleu_sums(count_ngrams(["a b c"], [["a b c d", "a b"]]))[0, -1] == 2


def test_the_brevity_penalty_is_the_textbook_one():
    # 2 of 4 words, all matched: exp(1 - 4 / 2).
    assert bleu(bleu_sums(count_ngrams(["a b"], [["a b c d"]])))[0, 0] == pytest.approx(math.exp(-1), abs=1e-8)


def test_a_double_blank_is_a_word_for_rouge_alone():
    # "sos", "", "eos" against "sos", "a", ".", "", "eos": all three, precision 1 and recall 3/5.
    sums = caption_sums([sos_eos("")], [[sos_eos("a.")]])
    assert caption_scores(sums)[0, METRICS.index("ROUGE-L")] == pytest.approx(2.44 * 0.6 / (0.6 + 1.44))
    assert caption_scores(sums)[0, METRICS.index("BLEU-2")] < 1e-4


def test_a_caption_of_a_megabyte_is_scored_like_any_other():
    words = " ".join(["the", "chair", "is"] * 80_000)
    # 3 words in common: of 240,000 said and of 4 expected.
    precision, recall = 3 / 240_000, 3 / 4
    expected = 2.44 * precision * recall / (recall + 1.44 * precision)
    assert rouge_l([words], [["the chair is brown"]])[0] == pytest.approx(expected)
    assert bleu_sums(count_ngrams([words], [["the chair is"]]))[0, :4].tolist() == [3, 2, 1, 0]


def test_no_items_have_no_score():
    with np.errstate(invalid="ignore"):
        assert np.isnan(caption_scores(caption_sums([], []).sum(axis=0))).all()


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("A chair.", "sos a chair .  eos"),
        ("A big, dark door", "sos a big ,  dark door eos"),
        ("1.5 m; L-shaped!", "sos 1 . 5 m; l-shaped! eos"),
        ("", "sos  eos"),
    ],
)
def test_the_published_form_sets_only_full_stops_and_commas_apart(text, form):
    assert sos_eos(text) == form


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A big, dark door.", "a big dark door"),
        ("It is an L-shaped, 1.5 m couch; you'll see it!", "it is an l-shaped 1.5 m couch you'll see it"),
        (" . , ", ""),
        ("a\n\n b", "a b"),
    ],
)
def test_plain_words_leave_punctuation_out(text, words):
    assert plain_words(text) == words


def statistics(words, functions, matches=(), chunks=0):
    """One row of the aligner: `matches` holds (kind, content, function) for equal counts on both sides."""
    row = [*words, *functions, *[0] * 16, chunks, 0, 0]
    for kind, content, function in matches:
        row[4 + 4 * kind : 8 + 4 * kind] = [content, content, function, function]
        row[21] += content + function
        row[22] += content + function
    return np.array([row], dtype=np.float64)


def test_a_segment_matched_whole_in_one_piece_scores_one():
    assert meteor(meteor_sums(statistics((5, 5), (2, 2), [(0, 3, 2)], chunks=1))).tolist() == [1]


def test_meteor_weighs_content_words_and_kinds_of_matches():
    # 4 words with 1 function word against 5 with 2; one content word exact, one as a synonym, one function word exact.
    score = meteor(meteor_sums(statistics((4, 5), (1, 2), [(0, 1, 1), (2, 1, 0)], chunks=2)))
    matched = 0.75 * 1 + 0.25 * 1 + 0.8 * 0.75
    precision, recall = matched / (0.75 * 3 + 0.25 * 1), matched / (0.75 * 3 + 0.25 * 2)
    f_mean = precision * recall / (0.85 * precision + 0.15 * recall)
    assert score[0] == pytest.approx(f_mean * (1 - 0.6 * (2 / 3) ** 0.2), abs=1e-12)


def test_meteor_without_a_match_is_zero():
    assert meteor(meteor_sums(statistics((0, 5), (0, 2)))).tolist() == [0]


def test_meteor_of_a_corpus_counts_no_chunk_for_a_whole_segment():
    whole = statistics((5, 5), (0, 0), [(0, 5, 0)], chunks=1)
    broken = statistics((5, 5), (0, 0), [(0, 5, 0)], chunks=3)
    # All 10 words match, so precision and recall are 1; 3 chunks, not 4, over 10 words.
    score = meteor(meteor_sums(np.concatenate([whole, broken])).sum(axis=0))
    assert score == pytest.approx(1 - 0.6 * (3 / 10) ** 0.2, abs=1e-12)


def test_meteor_stands_last_among_the_scores_where_statistics_are_given():
    rows = statistics((2, 2), (0, 0), [(0, 2, 0)], chunks=1)
    scores = caption_scores(caption_sums(["a b"], [["a b"]], rows))
    assert dict(zip(WITH_METEOR, scores[0], strict=True))["METEOR"] == 1
