"""Users' DeepSpeed files: what is filled in, what is overruled and said, what is refused."""

import pytest

from tests.unit.training.runs import recipe
from vgcli_core.errors import UsageError
from vgcli_core.training.processes import fitted, zero_config

USUAL = {
    "zero_optimization": {
        "stage": 3,
        "reduce_bucket_size": "auto",
        "stage3_param_persistence_threshold": "auto",
        "offload_optimizer": {"device": "cpu"},
    },
    "bf16": {"enabled": "auto"},
    "optimizer": {"type": "AdamW", "params": {"lr": "auto"}},
    "scheduler": {"type": "WarmupLR"},
    "gradient_clipping": "auto",
    "gradient_accumulation_steps": "auto",
    "train_batch_size": "auto",
    "train_micro_batch_size_per_gpu": "auto",
    "wall_clock_breakdown": False,
}


def test_a_usual_file_is_filled_in_by_the_recipe_and_what_is_overruled_is_said():
    notes: list[str] = []
    found = fitted(USUAL, recipe(optim={"clip": 0.5}), where="ds.json", notes=notes)
    assert found["zero_optimization"]["stage"] == 3
    assert found["zero_optimization"]["offload_optimizer"] == {"device": "cpu"}
    assert isinstance(found["zero_optimization"]["reduce_bucket_size"], int)
    assert found["gradient_clipping"] == 0.5
    assert found["gradient_accumulation_steps"] == 1
    assert found["train_micro_batch_size_per_gpu"] == 2
    assert found["bf16"] == {"enabled": False}
    assert "train_batch_size" not in found
    assert found["wall_clock_breakdown"] is False
    assert "optimizer" not in found
    assert [note.split(": ")[1].split(",")[0] for note in notes] == [
        "its optimizer is left out",
        "its scheduler is left out",
    ]


def test_another_clip_in_the_file_holds_and_is_said():
    notes: list[str] = []
    found = fitted({"zero_optimization": {"stage": 2}, "gradient_clipping": 5.0}, recipe(), where="f", notes=notes)
    assert found["gradient_clipping"] == 5.0
    assert notes == ["f: gradients are clipped at 5.0, not at optim.clip (1.0)"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "stage 0"),
        ({"zero_optimization": {"stage": 0}}, "stage 0"),
        ({"zero_optimization": {"stage": 2}, "fp16": {"enabled": True}}, "float16"),
        ({"zero_optimization": {"stage": 2}, "bf16": {"enabled": True}}, "bf16.enabled is true"),
    ],
)
def test_what_training_does_not_do_is_refused(config, said):
    with pytest.raises(UsageError, match=said):
        fitted(config, recipe(), where="ds.json", notes=[])


def test_the_configuration_of_a_recipe_is_one_that_would_pass():
    what = recipe(run={"zero": 2, "precision": "bf16"})
    config = zero_config(what)
    assert fitted(config, what, where="ours", notes=[]) == config
    assert zero_config(recipe()) is None
