"""The published rows of the tables against the shared record of the paper, and the roles against the recipes."""

import re
from pathlib import Path

import pytest

from vgcli_core.evaluation.suite import suite_benchmarks
from vgcli_core.evaluation.suite_published import TABLES, Number, numbers_of
from vgcli_core.evaluation.suite_roles import QWEN_3B, QWEN_7B, ROLES, commands_of, train_command
from vgcli_core.training.recipe_files import load_recipe

# Where our names are not those of the record.
RENAMED = {
    "baseline, no geometry": "no geometry",
    "concat + MLP": "concatenation",
    "add (used)": "addition (VG LLM-4B)",
    "predicted depth + camera": "predicted depth and camera",
}
BASELINES = {"Qwen2.5-VL-3B, same data", "Qwen2.5-VL-7B, same data"}  # rows of Tables 7 and 8, shown for comparison


def recorded(text: str, heading: str, row: str) -> list[list[str]]:
    """Return the cells of the table below a heading whose first line starts with `row`, without its two first lines."""
    section = re.split(r"^## ", text, flags=re.MULTILINE)
    (body,) = [part for part in section if part.startswith(heading)]
    lines = body[body.index(row) :].split("\n\n")[0].splitlines()[2:]
    return [[re.sub(r"\*\*", "", cell).strip() for cell in line.strip("|").split("|")] for line in lines]


def number(cell: str) -> Number:
    """Read "36.4 (53.5)"; remarks in words are no numbers."""
    plain, refined = re.match(r"(-|[\d.]+)(?: \(([\d.]+)\))?", cell).groups()
    return Number(None if plain == "-" else float(plain), None if refined is None else float(refined))


@pytest.fixture(scope="module")
def results(golden: Path) -> str:
    return (golden.parent / "formats" / "results.md").read_text(encoding="utf-8")


def ours(table: int) -> dict[tuple[str, str], list[Number]]:
    return {
        (row.name, row.second): numbers_of(row, block.columns)
        for block in TABLES[table - 1].blocks
        for row in block.rows
        if row.name not in BASELINES
    }


@pytest.mark.parametrize(
    ("table", "heading", "row"),
    [(1, "3.", "| model"), (2, "4.", "| model"), (4, "6.", "| model"), (5, "7.", "| model"), (7, "8.", "| variant")],
)
def test_every_row_is_as_published(results, table, heading, row):
    seconds = len(TABLES[table - 1].leads) - 1
    expected = {
        (RENAMED.get(cells[0], cells[0]), "".join(cells[1 : 1 + seconds])): [number(c) for c in cells[1 + seconds :]]
        for cells in recorded(results, heading, row)
    }
    assert ours(table) == expected


def test_every_row_of_detection_is_as_published(results):
    found = {
        (cells[1], cells[0].removesuffix(" frames")): [number(cell) for cell in cells[2:]]
        for cells in recorded(results, "5.", "| setting")
    }
    assert ours(3) == found
    assert len(found) == 8


def test_every_row_of_the_general_benchmarks_is_as_published(results):
    lines = recorded(results, "7.", "| benchmark")
    names = ("Qwen2.5-VL-3B", "VG LLM-4B", "Qwen2.5-VL-7B", "VG LLM-8B")
    assert ours(6) == {(name, ""): [number(line[place]) for line in lines] for place, name in enumerate(names, 1)}


def test_the_baselines_are_those_of_the_ablations(results):
    found = {
        (table.number, row.name): numbers_of(row, block.columns)
        for table in TABLES
        for block in table.blocks
        for row in block.rows
        if row.name in BASELINES
    }
    first = [number(cell) for cell in recorded(results, "8.", "| variant")[0][1:]]
    second = recorded(results, "8.", "| data")[1]
    assert second[:2] == ["S1", "Qwen2.5-VL-7B"]
    eight, average, cv_3d = [number(cell) for cell in second[2:10]], number(second[10]), number(second[13])
    nothing = Number(None)
    assert found == {
        (1, "Qwen2.5-VL-3B, same data"): first[:2],
        (2, "Qwen2.5-VL-3B, same data"): [*first[2:4], nothing, nothing],
        (4, "Qwen2.5-VL-7B, same data"): [average, *eight],
        (5, "Qwen2.5-VL-7B, same data"): [nothing, cv_3d, nothing],
    }


def test_rows_fill_their_columns_and_remarks_name_one():
    for table in TABLES:
        titles = [[column.title for column in block.columns] for block in table.blocks]
        assert titles == [titles[0]] * len(titles)
        for block in table.blocks:
            for row in block.rows:
                assert len(numbers_of(row, block.columns)) == len(block.columns)
                assert {*row.remarks, *row.printed} <= {"", *titles[0]}


def test_each_role_has_a_row():
    assert all(suite_benchmarks(ROLES).values())


@pytest.mark.parametrize("name", [name for name, role in ROLES.items() if role.recipe])
def test_a_role_is_trained_by_its_recipe(name):
    role = ROLES[name]
    recipe = load_recipe(role.recipe, role.settings)
    assert recipe.start.weights == {"4B": QWEN_3B, "8B": QWEN_7B}[role.size]
    assert set(recipe.data.sets) == (
        {"scan2cap", "scanrefer", "scannet_det"} if name.startswith("scene") else {"spar", "llava_hound"}
    )
    assert recipe.start.geometry_encoder == ("none" if name.endswith("no-geometry") else "vggt")
    fusion = {"scene-cross-attention-1": ("cross_attention", 1), "scene-cross-attention-3": ("cross_attention", 3)}
    concat = ("concat" if name == "scene-concat" else "add", 1)
    assert (recipe.start.fusion, recipe.start.fusion_layers) == fusion.get(name, concat)


def test_a_model_that_is_used_as_it_is_needs_no_training():
    assert train_command("base") == ""
    assert commands_of("base") == (
        "vgllm eval --suite paper --model base=Qwen/Qwen2.5-VL-3B-Instruct --data data --out runs/paper",
    )
