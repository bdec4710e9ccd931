"""Pre-training of a 2D tower: cells have the labels of what they show, and edges are those of the object in view."""

from itertools import product

import torch

from tests.unit.training.objectives.scenes_of_rooms import example
from vgcli_core.model.tiny import tiny_model
from vgcli_core.training.objectives.regions import RegionLoss, region_batch

CPU = torch.device("cpu")


def test_each_token_has_the_labels_and_the_edges_of_what_its_cells_show():
    one = example(0)
    numbers = {label: number for number, label in enumerate(sorted(set(one.labels)), start=1)}
    hidden = one.labels[int(one.owner.max())]
    del numbers[hidden]
    batch = region_batch([one], numbers, CPU)
    rows, columns = 4, 6  # merged tokens of 168x126 pixels; the last row of patches is cut off
    assert batch.labels.shape == (3 * rows * columns, 16)
    seen = 0
    for frame, row, column in product(range(3), range(rows), range(columns)):
        token = (frame * rows + row) * columns + column
        cells = one.owner[frame, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].flatten().tolist()
        expected = [0 if owner < 0 else numbers.get(one.labels[owner], len(numbers) + 1) for owner in cells]
        assert batch.labels[token].tolist() == expected
        assert bool(batch.on_object[token]) == any(owner >= 0 for owner in cells)
        shown = {owner for owner in cells if owner >= 0}
        if len(shown) == 1:
            y, x = torch.nonzero(one.owner[frame, :16] == shown.pop(), as_tuple=True)
            left, top, right, bottom = batch.edges[token].tolist()
            assert (left + column + 0.5) * 4 == x.min() and (right + column + 0.5) * 4 == x.max() + 1
            assert (top + row + 0.5) * 4 == y.min() and (bottom + row + 0.5) * 4 == y.max() + 1
            seen += 1
    assert seen >= 10


def test_the_tower_learns_what_cells_show():
    model, _ = tiny_model(frame_width=168)
    one = example(0)
    loss = RegionLoss(model, sorted(set(one.labels)))
    batch = region_batch([one], {label: at for at, label in enumerate(sorted(set(one.labels)), start=1)}, CPU)
    optimizer = torch.optim.AdamW(loss.parameters(), lr=3e-3)
    for _ in range(60):
        loss(batch).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.last["cells"] > 0.8
    assert region_batch([one], {}, CPU, learnt=False).lists == 0
