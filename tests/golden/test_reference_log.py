"""A run on a CPU gives the losses that it gave when `reference_log/log.json` was written: data, model, losses and
optimiser together. `reference_run` says how the log is made."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.golden.reference_run import LOG, RECIPE, STEPS, THREADS, losses, made_with
from vgcli_core.training.recipe_files import load_recipe

CLOSE = 1e-3
FIRST = 15


@pytest.fixture(scope="module")
def log() -> dict[str, Any]:
    return json.loads(LOG.read_text(encoding="utf-8"))


def assert_near(found: list[float], log: dict[str, Any]) -> None:
    told = f"the log was made with {json.dumps({key: log[key] for key in made_with()})}, this run with {made_with()}"
    np.testing.assert_allclose(found, log["loss"][: len(found)], rtol=0, atol=CLOSE, err_msg=told)


def test_the_log_has_every_step_of_its_recipe_and_says_how_it_was_made(log):
    recipe = load_recipe(str(RECIPE))
    assert len(log["loss"]) == recipe.run.max_steps == STEPS
    assert (recipe.run.precision, log["threads"]) == ("fp32", THREADS)
    assert log.keys() == {"commands", *made_with(), "loss"}
    assert sum("vgllm" in command for command in log["commands"]) == 2
    # What the demo learns with is all in it.
    assert recipe.objective.hinted and recipe.objective.numbers and recipe.optim.muon_lr and recipe.batch.questions == 5


def test_the_loss_of_the_log_falls_to_a_quarter(log):
    tens = [float(np.mean(log["loss"][at : at + 10])) for at in range(0, STEPS, 10)]
    assert tens[-1] < 0.25 * log["loss"][0]
    assert sum(later < earlier for earlier, later in pairwise(tens)) > 12


def test_its_first_steps_come_out_again_and_take_a_third_off_the_loss(tmp_path, log):
    found = losses(tmp_path, FIRST)
    assert len(found) == FIRST
    assert_near(found, log)
    assert np.mean(found[-5:]) < 2 / 3 * found[0]


@pytest.mark.slow
@pytest.mark.parametrize(("threads", "steps"), [(THREADS, STEPS), (2, 20)])
def test_more_of_it_comes_out_again_and_with_another_number_of_threads_too(tmp_path, log, threads, steps):
    found = losses(tmp_path, steps, threads=threads)
    assert len(found) == steps
    assert_near(found, log)
