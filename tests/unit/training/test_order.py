"""The order of samples: nothing lost, nothing twice, tags apart, lengths together, shared among processes."""

import time
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vgcli_core.training.order import Step, share_of, steps_of_epoch
from vgcli_core.training.recipe import Batch

MIXTURES = st.lists(st.tuples(st.integers(5, 5000), st.integers(0, 1)), max_size=300)
BATCHES = st.integers(1, 5).flatmap(
    lambda micro: st.builds(
        Batch,
        size=st.integers(micro, 16),
        micro=st.just(micro),
        by_length=st.booleans(),
        by_tag=st.booleans(),
        packing=st.booleans() if micro == 1 else st.just(False),
    )
)


def arrays(rows):
    return np.array([row[0] for row in rows], dtype=np.int32), np.array([row[1] for row in rows], dtype=np.int8)


def flat(step: Step) -> list[int]:
    return [position for micro in step.micro_batches for position in micro]


@given(MIXTURES, BATCHES, st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_every_sample_is_in_exactly_one_step_of_an_epoch(rows, batch, seed, epoch):
    lengths, tags = arrays(rows)
    steps = steps_of_epoch(lengths, tags, batch, max_length=4000, seed=seed, epoch=epoch)
    assert sorted(position for step in steps for position in flat(step)) == list(range(len(rows)))
    assert all(0 < len(flat(step)) <= batch.size for step in steps)
    kinds = 2 if batch.by_tag else 1
    assert sum(len(flat(step)) < batch.size for step in steps) <= kinds
    if batch.by_tag:
        assert all(len({int(tags[position]) for position in flat(step)}) == 1 for step in steps)
    if steps:
        assert int(lengths.max()) in lengths[flat(steps[0])]


@given(MIXTURES, BATCHES)
@settings(max_examples=100, deadline=None)
def test_micro_batches_are_as_large_as_the_recipe_says(rows, batch):
    lengths, tags = arrays(rows)
    for step in steps_of_epoch(lengths, tags, batch, max_length=4000, seed=0, epoch=0):
        for micro in step.micro_batches:
            if batch.packing:
                assert len(micro) == 1 or lengths[list(micro)].sum() <= 4000
            else:
                assert 0 < len(micro) <= batch.micro
        if not batch.packing:
            assert [len(micro) for micro in step.micro_batches[:-1]] == [batch.micro] * (len(step.micro_batches) - 1)


@given(MIXTURES, st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_packed_rows_are_filled_before_the_next_one_begins(rows, size):
    lengths, tags = arrays(rows)
    batch = Batch(size=size, packing=True)
    for step in steps_of_epoch(lengths, tags, batch, max_length=4000, seed=0, epoch=0):
        for row, following in pairwise(step.micro_batches):
            assert lengths[list(row)].sum() + lengths[following[0]] > 4000


QUESTIONS = st.lists(st.tuples(st.integers(0, 1), st.integers(-1, 6)), max_size=200)


def of_questions(samples, *, epoch=0, **batch):
    """Steps of samples (tag, beginning); each has one picture, and one word more than the one before it."""
    tags, beginnings = (np.array([sample[at] for sample in samples], dtype=np.int32) for at in (0, 1))
    lengths = 252 + np.arange(len(samples), dtype=np.int32)
    return steps_of_epoch(
        lengths, tags.astype(np.int8), Batch(**batch), max_length=4000, seed=0, epoch=epoch, beginnings=beginnings
    )


@given(QUESTIONS, st.integers(2, 5), st.integers(1, 4), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_micro_batches_hold_rows_of_questions_that_begin_alike(samples, questions, micro, by_tag, by_length):
    steps = of_questions(samples, size=4, micro=micro, questions=questions, by_tag=by_tag, by_length=by_length)
    assert sorted(position for step in steps for position in flat(step)) == list(range(len(samples)))
    for step in steps:
        assert not by_tag or len({samples[position][0] for position in flat(step)}) == 1
        for batch in step.micro_batches:
            begun = Counter(samples[position] for position in batch)
            # Text alone (-1) has a row of its own.
            rows = sum(count if one[1] < 0 else -(-count // questions) for one, count in begun.items())
            assert 0 < rows <= micro


def test_rows_are_full_where_there_are_questions_enough_and_drawn_anew_in_each_epoch():
    samples = [(1, n % 20) for n in range(200)]
    epochs = [of_questions(samples, epoch=epoch, size=8, questions=5) for epoch in (0, 0, 1)]
    rows = [{frozenset(row) for step in steps for row in step.micro_batches} for steps in epochs]
    assert rows[0] == rows[1]
    assert all({len({n % 20 for n in row}) for row in each} == {1} for each in rows)
    assert [Counter(map(len, each)) for each in rows] == [{5: 40}] * 3
    # Ten questions fall into the same two fives by a chance of 1 in 126.
    assert len(rows[0] & rows[2]) < 10


def test_the_row_with_the_most_words_comes_first_and_counts_its_pictures_once():
    samples = [(1, n // 4) for n in range(80)]
    first, *_ = of_questions(samples, size=4, questions=4, by_length=False)
    assert (76, 77, 78, 79) in {tuple(sorted(row)) for row in first.micro_batches}


@given(st.lists(st.integers(1, 3), min_size=1, max_size=40), st.integers(1, 9))
@settings(max_examples=150, deadline=None)
def test_processes_share_each_micro_batch_once_in_the_same_number_of_turns(sizes, world):
    numbers = iter(range(1000))
    step = Step(tuple(tuple(next(numbers) for _ in range(size)) for size in sizes))
    shares = [share_of(step, rank, world) for rank in range(world)]
    turns = {len(share) for share in shares}
    assert turns == {-(-len(sizes) // world)}
    in_turn = [share[turn] for turn in range(turns.pop()) for share in shares]
    assert [micro for micro in in_turn if micro] == list(step.micro_batches)


def test_the_order_is_another_one_for_another_seed_and_for_another_epoch():
    lengths, tags = arrays([(100 + n % 7, n % 2) for n in range(400)])
    batch = Batch(size=8, micro=2)
    orders = [
        steps_of_epoch(lengths, tags, batch, max_length=1000, seed=seed, epoch=epoch)
        for seed, epoch in ((0, 0), (0, 0), (1, 0), (0, 1))
    ]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0] != orders[3]


def test_steps_hold_samples_of_similar_length():
    lengths, tags = arrays([(length, 1) for length in range(1, 1601)])
    together = steps_of_epoch(lengths, tags, Batch(size=16), max_length=4000, seed=0, epoch=0)
    spread = [int(np.ptp(lengths[flat(step)])) for step in together]
    # A piece is a random half of all lengths (fifty steps of 16): neighbours are 2 apart, and 16 of them about 30.
    assert max(spread) < 120
    assert np.mean(spread) < 40
    apart = steps_of_epoch(lengths, tags, Batch(size=16, by_length=False), max_length=4000, seed=0, epoch=0)
    assert np.mean([np.ptp(lengths[flat(step)]) for step in apart]) > 1000
    # What is similar is shuffled all the same: the steps do not go from long to short.
    firsts = [int(lengths[flat(step)].mean()) for step in together]
    assert firsts != sorted(firsts, reverse=True)


def test_no_sample_gives_no_step():
    assert steps_of_epoch(*arrays([]), Batch(), max_length=100, seed=0, epoch=0) == []


@pytest.mark.parametrize("form", [{}, {"packing": True}, {"questions": 5}])
def test_three_hundred_thousand_samples_are_ordered_in_seconds(form):
    rng = np.random.default_rng(0)
    lengths = rng.integers(200, 9000, 300_000).astype(np.int32)
    tags = rng.integers(0, 2, 300_000).astype(np.int8)
    started = time.process_time()
    beginnings = rng.integers(-1, 50_000, 300_000).astype(np.int32)
    batch = Batch(**form)
    steps = steps_of_epoch(lengths, tags, batch, max_length=12800, seed=0, epoch=0, beginnings=beginnings)
    assert time.process_time() - started < 5  # half a second on a quiet machine
    assert sum(len(flat(step)) for step in steps) == 300_000
