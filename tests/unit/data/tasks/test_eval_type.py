"""Unique and multiple: classes are counted among the described objects of one scene."""

from vgcli_core.data.tasks.eval_type import kinds

NYU40 = {"office chair": 5, "chair": 5, "table": 7, "ceiling": 22}


def test_an_object_is_unique_where_no_other_described_one_has_its_class():
    chair, office_chair, table = ("a", "1", "chair"), ("a", "2", "office_chair"), ("a", "3", "table")
    alone = ("b", "1", "chair")
    found = kinds([chair, chair, office_chair, table, alone], NYU40)
    assert found == {chair: "multiple", office_chair: "multiple", table: "unique", alone: "unique"}


def test_unknown_names_and_classes_outside_the_list_are_one_class():
    found = kinds([("a", "1", "gizmo"), ("a", "2", "ceiling")], NYU40)
    assert set(found.values()) == {"multiple"}


def test_one_object_described_often_is_one_object():
    assert set(kinds([("a", "1", "table")] * 5, NYU40).values()) == {"unique"}
