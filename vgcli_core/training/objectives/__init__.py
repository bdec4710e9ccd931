"""What a run learns: the text of answers, or, before that, what an encoder can know of a scene."""

import torch

from vgcli_core.data.mixture import Mixture
from vgcli_core.training.objectives.answers import Answers, Cached
from vgcli_core.training.objectives.geometry import Geometry
from vgcli_core.training.objectives.objective import Objective
from vgcli_core.training.objectives.regions import Regions
from vgcli_core.training.recipe import Recipe
from vgcli_core.training.start import Started


def chosen(mixture: Mixture, recipe: Recipe) -> Mixture:
    """Return what is trained on: all samples, or, before answers are learnt, one of each list of frames."""
    return mixture if recipe.objective.kind == "answers" else mixture.first_of_each()


def start_objective(recipe: Recipe, started: Started, device: torch.device, cached: Cached | None) -> Objective:
    """Return the objective that `recipe.objective` describes, its heads drawn from the recipe's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        if recipe.objective.kind == "geometry":
            return Geometry(recipe, started.model, device)
        if recipe.objective.kind == "regions":
            return Regions(recipe, started.model, device)
        return Answers(recipe, started.model, started.processor, device, cached)


__all__ = ["Cached", "Objective", "chosen", "start_objective"]
