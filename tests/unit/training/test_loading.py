"""Workers change nothing but the speed; they leave signals to whoever trains, and end with the stream."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import pytest
import torch

from tests.unit.training.prepared_sets import ask, examples_in, same
from vgcli_core.errors import ResourceError
from vgcli_core.model.processor import IGNORE, Processor
from vgcli_core.model.tiny import tiny_tokenizer
from vgcli_core.training.examples import Examples
from vgcli_core.training.loading import load, lost_worker


@pytest.fixture(scope="module")
def processor() -> Processor:
    return Processor(tiny_tokenizer(), frame_width=140)


@pytest.fixture
def examples_of(tmp_path, processor):
    return partial(examples_in, tmp_path / "set", processor)


MICRO = [(4,), (0, 1), (), (3, 2)]


def test_workers_give_the_same_micro_batches_in_the_same_order(examples_of):
    examples = examples_of(ask("a"), ask("b", frames=0), replace(ask("c"), frames=("gone.png",)), ask("d"), ask("e"))
    state = torch.random.get_rng_state()
    alone = list(load(examples, MICRO, workers=0))
    shared = list(load(examples, MICRO, workers=2))
    assert torch.equal(torch.random.get_rng_state(), state)
    for batches in (alone, shared):
        assert [[one.id for one in batch.examples] for batch in batches] == [["e"], ["a", "b"], [], ["d"]]
        assert [[bad.id for bad in batch.bad] for batch in batches] == [[], [], [], ["c"]]
    for one, other in zip(alone, shared, strict=True):
        assert all(same(*pair) for pair in zip(one.examples, other.examples, strict=True))
    assert alone[1].tokens == sum(len(examples[i].encoded.input_ids) for i in (0, 1))
    assert alone[1].labelled == 2 * int((examples[0].encoded.labels != IGNORE).sum())
    assert (alone[2].tokens, alone[2].labelled) == (0, 0)


class Dying(Examples):
    """Kills the process that asks for sample 1."""

    def __getitems__(self, indices):
        if 1 in indices:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitems__(indices)


def test_a_worker_that_dies_is_an_error_with_advice(examples_of):
    examples = examples_of(ask("a"), ask("b"))
    dying = Dying(examples.mixture, examples.processor, max_length=1000)
    with pytest.raises(ResourceError, match="a process that reads frames ended") as error:
        list(load(dying, [(0,), (1,), (0,)], workers=1))
    assert "data.workers" in error.value.fix


class Wrong(Examples):
    """Has a bug."""

    def __getitems__(self, indices):
        raise RuntimeError("a bug")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bug_stays_a_bug(examples_of, workers):
    examples = examples_of(ask("a"))
    with pytest.raises(RuntimeError, match="a bug"):
        list(load(Wrong(examples.mixture, examples.processor, max_length=1000), [(0,)], workers=workers))


class Signalled(Examples):
    """Sends its own process what a terminal and a scheduler send to all of them."""

    def __getitems__(self, indices):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            os.kill(os.getpid(), number)
        return super().__getitems__(indices)


def test_workers_leave_signals_to_the_process_that_trains(examples_of):
    examples = examples_of(ask("a"))
    signalled = Signalled(examples.mixture, examples.processor, max_length=1000)
    assert [batch.examples[0].id for batch in load(signalled, [(0,)], workers=1)] == ["a"]


def test_a_stream_that_is_closed_early_ends_its_workers(examples_of):
    before = multiprocessing.active_children()  # of tests whose errors are still remembered
    stream = load(examples_of(ask("a")), [(0,)] * 50, workers=2)
    assert next(stream).examples[0].id == "a"
    workers = [worker for worker in multiprocessing.active_children() if worker not in before]
    assert len(workers) == 2
    started = time.monotonic()
    stream.close()
    assert time.monotonic() - started < 30
    assert not any(worker.is_alive() for worker in workers)


LEAVING = """
import sys
from pathlib import Path
from tests.unit.training.prepared_sets import ask, examples_in
from vgcli_core.model.tiny import tiny_tokenizer
from vgcli_core.model.processor import Processor
from vgcli_core.training.loading import load

examples = examples_in(Path(sys.argv[1]), Processor(tiny_tokenizer(), frame_width=140), ask("a"))
stream = load(examples, [(0,)] * 50, workers=1)
print(next(stream).examples[0].id)
raise KeyboardInterrupt  # its traceback keeps the stream
"""


def test_a_program_that_leaves_its_stream_open_ends_all_the_same(tmp_path, repository):
    left = subprocess.run(
        [sys.executable, "-c", LEAVING, str(tmp_path / "set")],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert left.stdout == "a\n"
    assert left.stderr.strip().endswith("KeyboardInterrupt")
    assert left.stderr.count("Traceback") == 1


@pytest.mark.parametrize(
    "text",
    [
        "DataLoader worker (pid 7) is killed by signal: Killed. ",
        "Caught RuntimeError in DataLoader worker process 0.\nRuntimeError: unable to allocate shared memory(shm)",
        "Too many open files. Communication with the workers is no longer possible.",
    ],
)
def test_what_torch_says_of_lost_workers_is_understood(text):
    lost = lost_worker(RuntimeError(text))
    assert text.strip().splitlines()[-1] in lost.what


def test_other_errors_are_not_taken_for_lost_workers():
    assert lost_worker(RuntimeError("Caught RuntimeError in DataLoader worker process 0.\nRuntimeError: a bug")) is None
