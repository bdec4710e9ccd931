"""Recipes on a terminal: a list that fits 80 columns, and YAML that comes out as it went in."""

from rich.console import Console

from vgcli import recipes as view
from vgcli_core.training.recipe_files import load_recipe, recipes, to_yaml


def text(*blocks, width: int = 80, **options) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(*blocks, sep="\n", **options)
    return capture.get()


def test_the_list_names_every_recipe_on_its_own_line():
    lines = text(*view.listing({name: load_recipe(name) for name in recipes()})).splitlines()
    assert all(sum(line.split()[:1] == [name] for line in lines) == 1 for name in recipes())
    assert max(map(len, lines)) <= 80


def test_a_recipe_comes_out_as_it_went_in_however_narrow_the_terminal():
    written = to_yaml(load_recipe("scene-8b-lora"))
    assert text(view.shown(written), width=20, soft_wrap=True) == written


def test_comments_are_dim_and_values_are_not():
    shown = view.shown('# all\nseed: 0   # of "all"\nname: "a # b"\n')
    assert [(span.start, span.end, span.style) for span in shown.spans] == [(0, 5, "dim"), (13, 26, "dim")]


def test_control_characters_of_a_recipe_do_not_reach_the_terminal():
    assert "\x1b" not in view.shown(to_yaml(load_recipe("rooms", ['description="\\e[2J"']))).plain
