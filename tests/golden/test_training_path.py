"""The recorded loss and gradients through the path that training takes: parts chosen, losses added up, divided once."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.golden.cases import Case, find_cases, worst
from vgcli_core.model.positions import batch_positions
from vgcli_core.model.vgllm import VGLLM, Features, ModelInputs
from vgcli_core.training import trainer
from vgcli_core.training.engines import start_engine
from vgcli_core.training.objectives.answers import Answers, LossOf
from vgcli_core.training.parts import choose, learns
from vgcli_core.training.processes import start_processes
from vgcli_core.training.recipe import Data, DataSet, Lora, Recipe, Run, Trained

LOSS = 2e-5
# Recorded gradients reach into the 2D tower; the paper's recipe leaves it alone.
TOWER_TOO = Trained(vision_tower=True, connector=True)


@pytest.fixture(scope="module")
def cases(golden_or_copy: Path) -> list[Case]:
    found = find_cases(golden_or_copy)
    assert found, f"no model case under {golden_or_copy}"
    return found


def ready(case: Case, trained: Trained) -> VGLLM:
    """The model as training starts it; dropout, which some fusions have, was off while recording."""
    model = case.load()
    choose(model, trained, Lora())
    if model.has_geometry:
        model.feature_fusion.eval()
    return model


def rows(case: Case) -> list[ModelInputs]:
    """The batch sample by sample, without padding."""
    batch, grids, patch, alone = case.batch(), case.grids(), 0, []
    for row, grid in enumerate(grids):
        real = batch.attention_mask[row].bool()
        ids, mask = batch.input_ids[row][None, real], torch.ones(1, int(real.sum()), dtype=torch.long)
        count = int(grid.prod(dim=1).sum())
        alone.append(
            ModelInputs(
                ids,
                mask,
                batch_positions([(ids[0], grid)], mask, case.model.backbone.image_token_id),
                pixel_values=batch.pixel_values[patch : patch + count] if len(grid) else None,
                grid_thw=grid if len(grid) else None,
                geometry_frames=[batch.geometry_frames[row]],
                labels=batch.labels[row][None, real],
            )
        )
        patch += count
    return alone


def with_features(model: VGLLM, whole: ModelInputs, alone: Sequence[ModelInputs]) -> ModelInputs:
    """The same inputs with what the encoders make of the pictures, computed beforehand."""
    features: list[Features] = [
        model.encode(one.pixel_values, one.grid_thw, one.geometry_frames[0])
        for one in alone
        if one.pixel_values is not None and one.grid_thw is not None
    ]
    return ModelInputs(
        whole.input_ids,
        whole.attention_mask,
        whole.position_ids,
        grid_thw=whole.grid_thw,
        labels=whole.labels,
        features=features,
    )


def learn(model: VGLLM, turns: Sequence[ModelInputs]) -> tuple[float, dict[str, Tensor]]:
    """One step's loss and gradients: the sums of all turns over the number of labelled tokens of all."""
    labelled = sum(int((turn.labels[:, 1:] != -100).sum()) for turn in turns if turn.labels is not None)
    loss, total = LossOf(model), 0.0
    for turn in turns:
        found = loss(turn) / labelled
        found.backward()
        total += float(found.detach())
    return total, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def check(case: Case, found: tuple[float, dict[str, Tensor]], trained: Trained) -> None:
    """Assert that loss and gradients are the recorded ones, and that trained parameters alone have gradients."""
    loss, gradients = found
    assert abs(loss - float(case.outputs["loss"])) <= LOSS, case.name
    assert all(learns(name, trained) for name in gradients), case.name
    compared = 0
    for name, expected, tolerance in case.gradients():
        if learns(name, trained):
            assert worst(gradients[name], expected) <= tolerance, f"{case.name}: {name}"
            compared += 1
    assert compared, case.name


def test_loss_and_every_recorded_gradient_come_out_of_a_training_step(cases):
    for case in cases:
        found = learn(ready(case, TOWER_TOO), [case.batch()])
        assert {name for name, _, _ in case.gradients()} <= found[1].keys(), case.name
        check(case, found, TOWER_TOO)


def test_the_papers_parts_get_the_recorded_gradients_and_frozen_ones_none(cases):
    for case in cases:
        model = ready(case, Trained())
        found = learn(model, [case.batch()])
        check(case, found, Trained())
        assert {name for name, p in model.named_parameters() if p.requires_grad} == found[1].keys(), case.name


def test_samples_one_by_one_add_up_to_the_batch(cases):
    for case in cases:
        check(case, learn(ready(case, TOWER_TOO), rows(case)), TOWER_TOO)


def test_features_computed_beforehand_give_the_same_bits(cases):
    for case in cases:
        model, whole = ready(case, Trained()), case.batch()
        loss, gradients = learn(ready(case, Trained()), [whole])
        found = learn(model, [with_features(model, whole, rows(case))])
        check(case, found, Trained())
        assert found[0] == loss, case.name
        assert found[1].keys() == gradients.keys()
        assert all(torch.equal(found[1][name], gradients[name]) for name in gradients), case.name


def test_activations_computed_twice_give_the_same_bits(cases):
    for case in cases:
        loss, gradients = learn(ready(case, TOWER_TOO), [case.batch()])
        model = ready(case, TOWER_TOO)
        model.backbone.checkpoint_gradients()
        runs: list[object] = []
        # Where the layer begins: its end need not be reached a second time.
        model.backbone.language_model.layers[0].mlp.register_forward_pre_hook(lambda *_, runs=runs: runs.append(1))
        found = learn(model, [case.batch()])
        assert len(runs) == 2, case.name
        assert found[0] == loss, case.name
        assert all(torch.equal(found[1][name], gradients[name]) for name in gradients), case.name


class Recorded:
    """A recorded batch where the loop expects a micro-batch of examples."""

    def __init__(self, inputs: ModelInputs) -> None:
        self.inputs, self.examples, self.bad, self.shortened = inputs, [inputs], [], 0
        self.tokens, self.labelled = int(inputs.attention_mask.sum()), int((inputs.labels[:, 1:] != -100).sum())


class Recordings(Answers):
    """Answers whose inputs are recorded ones."""

    def inputs(self, batch, seed):
        return batch.inputs


def test_a_step_of_the_loop_has_the_recorded_loss_and_gradients(cases, monkeypatch):
    recipe = Recipe(data=Data(sets={"none": DataSet(dataset="rooms")}), run=Run(precision="fp32"))
    for case in cases:
        for turns in ([case.batch()], rows(case)):
            model = ready(case, recipe.trained)
            processes = start_processes(recipe, device="cpu")
            learnt = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
            answers = Recordings(recipe, model, None, processes.device)
            engine = start_engine(processes, answers.module, model, {"language_model": learnt}, recipe.optim)
            gradients = {}

            def update(factor, update=engine.update, model=model, gradients=gradients):
                gradients |= {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
                return update(factor)

            monkeypatch.setattr(engine, "update", update)
            loop = trainer.Loop(recipe, processes, engine, answers, 10)
            done = loop.step(0, len(turns), iter([Recorded(turn) for turn in turns]))
            processes.close()
            check(case, (done.loss, gradients), recipe.trained)
            norm = torch.stack([gradient.norm() for gradient in gradients.values()]).norm()
            assert done.grad_norm == pytest.approx(float(norm), rel=1e-5), case.name
