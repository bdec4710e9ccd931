"""Questions have one answer: worked out by hand, and by another way for generated rooms; letters are balanced."""

import random
import re
from collections import Counter
from itertools import islice

import numpy as np
import pytest

from tests.unit.data.rooms.hand_made import ENOUGH, film_of, room_of, slow_distance, thing
from vgcli_core.data.rooms.film import film
from vgcli_core.data.rooms.generate import make_room
from vgcli_core.data.rooms.question import CHOSEN, MEASURED, Draft, lettered
from vgcli_core.data.rooms.questions import MOST, _answers_in_turn, ask
from vgcli_core.data.rooms.questions_chosen import directions, nearest, orders, routes
from vgcli_core.data.rooms.questions_measured import counts, distances, room_sizes, sizes
from vgcli_core.data.rooms.settings import RoomSettings
from vgcli_core.data.rooms.shown import shown
from vgcli_core.evaluation.benchmarks.vsi_bench import DIRECTIONS, QUESTION_TYPES, VsiBenchTruth
from vgcli_core.media.sampling import uniform

MANY = 10_000


def view(*things, pixels=None, extent=None, frames=4, **values):
    filmed = film_of(room_of(*things, frames=frames, **values), pixels, extent=extent)
    return shown(filmed, range(frames))


def draw():
    return random.Random(0)


def test_kinds_are_those_of_the_benchmark():
    assert set(MEASURED) | set(CHOSEN) == set(QUESTION_TYPES)


def test_things_are_counted_where_all_of_them_are_seen():
    chairs = thing("chair", 0, 0), thing("chair", 1, 0), thing("chair", 2, 0), thing("bed", 0, 2)
    (found,) = counts(view(*chairs), draw())
    assert (found.text, found.answer, found.things) == ("How many chair(s) are in this room?", "3", (0, 1, 2))
    assert not list(counts(view(*chairs, pixels=[[ENOUGH, ENOUGH, 0, ENOUGH]] * 4), draw()))


def test_now_and_then_there_is_one_of_what_there_might_be_several_of():
    things = thing("chair", 0, 0), thing("bed", 1, 0), thing("lamp", 2, 0)
    found = [list(counts(view(*things), random.Random(seed))) for seed in range(400)]
    assert {len(drafts) for drafts in found} == {0, 1}
    asked = [drafts[0] for drafts in found if drafts]
    assert {(one.text.split()[2], one.answer) for one in asked} == {("chair(s)", "1"), ("lamp(s)", "1")}
    assert 0.25 < len(asked) / 400 < 0.45


def test_things_are_not_counted_where_people_would_count_differently():
    chairs = thing("chair", 0, 0), thing("chair", 1, 0)
    assert not list(counts(view(*chairs, thing("armchair", 2, 0)), draw()))
    boxes = thing("box", 0, 0), thing("box", 1, 0)
    assert list(counts(view(*boxes), draw()))
    assert not list(counts(view(*boxes, clutter=thing("", 2, 2).parts), draw()))


def test_distance_is_between_closest_points_and_rounded_to_decimetres():
    (found,) = distances(view(thing("bed", 0, 0, (2, 1, 0.5)), thing("desk", 2.53, 0, (1, 1, 0.5))))
    assert found.answer == "1.0"  # 2.53 - 1 - 0.5
    assert found.text == (
        "Measuring from the closest point of each object, "
        "what is the distance between the bed and the desk (in meters)?"
    )


def test_distances_are_not_asked_of_neighbours_of_things_on_things_or_of_names_that_mean_two():
    assert not list(distances(view(thing("bed", 0, 0), thing("desk", 0.7, 0))))
    high = thing("lamp", 0, 0, (0.1, 0.1, 0.3), z=1.5, support=0)
    assert not list(distances(view(thing("table", 0, 0, (1, 1, 0.7)), high)))
    assert not list(distances(view(thing("bed", -2, 0), thing("chair", 0, 0), thing("chair", 2, 0))))


def test_size_is_the_longest_edge_in_centimetres_of_what_is_seen_whole():
    (found,) = sizes(view(thing("bed", 0, 1, (0.6, 1.234, 0.5), yaw=0.3)))
    assert found.answer == "123"
    assert not list(sizes(view(thing("bed", 0, -2.5, (0.6, 1.234, 0.5)))))  # right before the camera, partly outside


def test_room_size_is_asked_where_enough_of_the_room_is_seen():
    (found,) = room_sizes(view(thing("bed", 0, 0), size=(4.0, 5.2, 2.5)))
    assert found.answer == "20.8"
    assert not list(room_sizes(view(thing("bed", 0, 0), size=(6.0, 6.0, 2.5), extent=(-3, 3, 0, 3))))


def test_the_nearest_of_four_is_clearly_the_nearest():
    things = [thing("bed", 0, 0), *(thing(name, x, 0) for name, x in zip("abcd", (1, 2, -2, 3), strict=True))]
    found = [one for one in nearest(view(*things), draw()) if one.things[0] == 0]
    assert {one.answer for one in found} == {"a"}
    assert all(set(one.choices) == set("abcd") for one in found)
    tie = [thing("bed", 0, 0), *(thing(name, x, 0) for name, x in zip("abcd", (1, -1.1, -2, 3), strict=True))]
    assert not [one for one in nearest(view(*tie), draw()) if one.things[0] == 0]


@pytest.mark.parametrize(
    ("x", "y", "easy", "medium", "hard"),
    [
        (-2, 0, "left", "left", None),  # exactly to the left: neither in front nor behind
        (2, -0.1, "right", "right", None),
        (-1.5, 1.5, "left", None, "front-left"),  # 45 degrees: might be called ahead
        (1.7, 0.7, "right", "right", "front-right"),
        (1.5, -1.5, "right", None, "back-right"),
        (0.1, -2, None, "back", None),
        (-0.9, -2, "left", "back", "back-left"),
        (0.05, 1.5, None, None, None),  # ahead
    ],
)
def test_directions_from_the_origin_facing_north(x, y, easy, medium, hard):
    small = (0.1, 0.1, 0.1)
    things = thing("sofa", 0, 0, small), thing("door", 0, 2.5, small), thing("cup", x, y, small)
    found = {one.kind: one for one in directions(view(*things), draw()) if one.things == (0, 1, 2)}
    expected = {"easy": easy, "medium": medium, "hard": hard}
    for kind, answer in expected.items():
        one = found.get(f"object_rel_direction_{kind}")
        assert (one.answer if one else None) == answer, kind
        if one:
            assert one.text.startswith("If I am standing by the sofa and facing the door, is the cup to ")
            assert one.answer in one.choices


def test_a_thing_that_reaches_over_two_sides_has_no_direction():
    wide = thing("cup", -1, 0, (0.5, 5.0, 0.1))
    things = thing("sofa", 0, 0, (0.1, 0.1, 0.1)), thing("door", 0, 2.5, (0.1, 0.1, 0.1)), wide
    found = [one.kind for one in directions(view(*things), draw()) if one.things == (0, 1, 2)]
    assert "object_rel_direction_hard" not in found and "object_rel_direction_medium" not in found


def staircase(things, frames, glimpses=()):
    """Thing i is first seen in frame i; `glimpses` are (frame, thing, pixels) on top."""
    pixels = np.where(np.arange(frames)[:, None] >= np.arange(things), ENOUGH, 0)
    for frame, number, count in glimpses:
        pixels[frame, number] = count
    return pixels


def test_first_appearance_follows_the_frames():
    things = [thing(name, 0, 0) for name in ("bed", "lamp", "desk", "sink")]
    found = list(orders(view(*things, pixels=staircase(4, 5), frames=5), draw()))
    assert {one.answer for one in found} == {"bed, lamp, desk, sink"}
    assert all(len(set(one.choices)) == 4 and one.answer in one.choices for one in found)


def test_no_order_is_asked_where_two_appear_together_or_one_is_glimpsed_before():
    things = [thing(name, 0, 0) for name in ("bed", "lamp", "desk", "sink")]
    together = staircase(4, 5)
    together[0, 1] = ENOUGH
    assert not list(orders(view(*things, pixels=together, frames=5), draw()))
    glimpsed = staircase(4, 5, [(1, 3, ENOUGH // 10)])  # some of the sink before the desk, too little to be seen well
    assert not list(orders(view(*things, pixels=glimpsed, frames=5), draw()))
    alike = [thing(name, 0, 0) for name in ("bed", "lamp", "desk", "coffee table")]
    assert not list(orders(view(*alike, pixels=staircase(4, 5), frames=5), draw()))
    speck = staircase(4, 5, [(1, 3, 1)])
    assert list(orders(view(*things, pixels=speck, frames=5), draw()))


def test_a_walk_turns_left_and_then_right():
    # From the bed, facing the desk in the north, west to the sink, then north to the lamp.
    small = (0.3, 0.3, 0.4)
    things = (
        *(thing("bed", 2, 0, small), thing("desk", 2, 2.5, small)),
        *(thing("sink", -2, 0, small), thing("lamp", -2, 2.5, small)),
    )
    found = {one.things: one for one in routes(view(*things), draw())}
    assert found[0, 1, 2, 3].answer == "Turn Left, Turn Right"
    assert "1. [please fill in] 2. Go forward until the sink 3. [please fill in] 4. Go forward until the lamp" in (
        found[0, 1, 2, 3].text
    )
    blocked = (*things, thing("table", 0, 0, (1, 1, 0.7)))
    assert (0, 1, 2, 3) not in {one.things for one in routes(view(*blocked), draw())}
    picture = (*things, thing("picture", 0, 0, (1, 0.1, 0.5), z=1.8))
    assert (0, 1, 2, 3) in {one.things for one in routes(view(*picture), draw())}


def test_right_answers_take_turns_among_the_letters():
    drafts = [Draft("route_planning", str(number), "a", ("a", "b", "c", "d")) for number in range(8)]
    first = Counter()
    for seed in range(300):
        asked = lettered(drafts, random.Random(seed))
        assert Counter(one.answer for one in asked) == dict.fromkeys("ABCD", 2)
        assert all(one.options["ABCD".index(one.answer)] == f"{one.answer}. a" for one in asked)
        assert all(sorted(option[3:] for option in one.options) == list("abcd") for one in asked)
        first[asked[0].answer] += 1
    assert all(50 < first[letter] < 100 for letter in "ABCD")


@pytest.fixture(scope="module")
def many():
    """Questions about many rooms."""
    settings = RoomSettings(width=84, height=63, num_frames=12)
    films = (film(make_room(3, number, settings)) for number in range(70))
    return [one for filmed in films for one in ask(shown(filmed, uniform(12, 8)), 0)]


def test_no_constant_answer_is_right_too_often(many):
    """What a model gets that never looks at a picture; the bounds leave room for the chance of so few rooms."""
    answers = {}
    for one in many:
        answers.setdefault(one.kind, []).append(chosen_option(one) if one.options else one.answer)
    best = {kind: Counter(found).most_common(1)[0][1] / len(found) for kind, found in answers.items()}
    assert best["object_counting"] <= 0.45 and len(answers["object_counting"]) > 40
    assert {"1", "2", "3", "4"} <= set(answers["object_counting"])
    assert best["object_rel_direction_hard"] <= 0.31 and len(answers["object_rel_direction_hard"]) > 80
    assert best["route_planning"] <= 0.28 and len(answers["route_planning"]) > 40
    areas = np.array(answers["room_size_estimation"], float)
    assert np.percentile(areas, 90) > 2.5 * np.percentile(areas, 10)


def test_who_knows_which_turns_are_usual_gains_nothing(many):
    routes_ = [one for one in many if one.kind == "route_planning"]
    right = Counter(chosen_option(one) for one in routes_)
    guessed = [max(one.options, key=lambda option: right[option[3:]])[3:] == chosen_option(one) for one in routes_]
    assert np.mean(guessed) <= 0.4  # with its own questions counted, which flatters it


def test_a_direction_that_no_thing_is_in_has_its_turn_all_the_same():
    sides = ("front-left", "front-right", "back-left", "back-right")
    drafts = [
        Draft("object_rel_direction_hard", f"{side} {number}", side, sides) for side in sides[:2] for number in range(9)
    ]
    asked_for = Counter()
    for seed in range(400):
        first = [one for one in islice(_answers_in_turn(drafts, random.Random(seed), seed), 3) if one is not None]
        assert len({one.answer for one in first}) == len(first) <= 2
        asked_for.update(one.answer for one in first)
    # Three of four turns, whatever the others have: as often as where all four have things.
    assert all(asked_for[side] == 300 for side in sides[:2])
    assert len([one for one in _answers_in_turn(drafts, draw(), 0) if one is not None]) == len(drafts)


@pytest.fixture(scope="module")
def asked():
    settings = RoomSettings(width=56, height=42, num_frames=16)
    found = []
    for number in range(24):
        filmed = film(make_room(1, number, settings))
        found.append((filmed, shown(filmed, uniform(16, 8))))
    return found


def test_a_film_is_asked_a_few_questions_of_a_kind_the_same_for_the_same_seed(asked):
    kinds = Counter()
    for _, view_ in asked:
        questions = ask(view_, 0)
        assert questions == ask(view_, 0)
        own = Counter(one.kind for one in questions)
        assert max(own.values(), default=0) <= MOST
        assert len({(one.kind, one.number) for one in questions}) == len(questions)
        assert len({one.text for one in questions}) == len(questions)
        kinds += own
    assert set(kinds) == set(QUESTION_TYPES)


def test_answers_of_a_kind_differ_as_far_as_they_can(asked):
    for _, view_ in asked:
        few, everything = ask(view_, 0), ask(view_, 0, most=MANY)
        for kind in DIRECTIONS:
            answers = [chosen_option(one) for one in few if one.kind == kind]
            possible = {chosen_option(one) for one in everything if one.kind == kind}
            assert len(set(answers)) == min(len(answers), len(possible))


def test_every_question_fits_the_benchmark(asked):
    for filmed, view_ in asked:
        for one in ask(view_, 0):
            truth = VsiBenchTruth(
                question_type=one.kind,
                ground_truth=one.answer,
                dataset="rooms",
                scene_name=filmed.room.name,
                options=one.options or None,
            )
            assert (truth.options is not None) == (one.kind in CHOSEN)


def test_named_things_are_seen_and_the_only_ones_of_their_label(asked):
    for filmed, view_ in asked:
        labels = [one.label for one in filmed.room.things]
        seen = (filmed.pixels[list(view_.positions)] > 0).any(axis=0)
        for one in ask(view_, 0, most=MANY):
            assert seen[list(one.things)].all()
            if one.kind not in ("object_counting", "obj_appearance_order"):
                assert all(labels.count(labels[number]) == 1 for number in one.things)


def test_answers_are_what_another_way_of_working_them_out_gives(asked):
    checked = Counter()
    for filmed, view_ in asked:
        for one in ask(view_, 0, most=12):
            check = CHECKS[one.kind]
            check(filmed, view_, one)
            checked[one.kind] += 1
    assert all(checked[kind] >= 3 for kind in QUESTION_TYPES), checked


def boxes_by_name(filmed):
    return {one.label: one.box for one in filmed.room.things}


def chosen_option(one):
    return one.options["ABCD".index(one.answer)][3:]


def check_count(filmed, view_, one):
    label = re.fullmatch(r"How many (.+)\(s\) are in this room\?", one.text)[1]
    assert int(one.answer) == sum(other.label == label for other in filmed.room.things)


def check_distance(filmed, view_, one):
    first, second = re.search(r"between the (.+) and the (.+) \(in meters\)", one.text).groups()
    boxes = boxes_by_name(filmed)
    assert float(one.answer) == pytest.approx(slow_distance(boxes[first], boxes[second], 0.04), abs=0.11)


def check_size(filmed, view_, one):
    label = re.search(r"or height\) of the (.+), measured", one.text)[1]
    assert float(one.answer) == pytest.approx(100 * max(boxes_by_name(filmed)[label][3:6]), abs=0.5)


def check_room_size(filmed, view_, one):
    assert float(one.answer) == pytest.approx(np.prod(filmed.room.size[:2]), abs=0.051)


def check_nearest(filmed, view_, one):
    names, target = re.search(r"objects \((.+)\) is the closest to the (.+)\?", one.text).groups()
    boxes = boxes_by_name(filmed)
    far = {name: slow_distance(boxes[name], boxes[target], 0.06) for name in names.split(", ")}
    assert chosen_option(one) == min(far, key=far.get)


def check_direction(filmed, view_, one):
    standing, facing, target = re.search(
        r"by the (.+) and facing the (.+), is the (.+?) to (?:my|the l)", one.text
    ).groups()
    boxes = boxes_by_name(filmed)
    here, there, what = (complex(*boxes[name][:2]) for name in (standing, facing, target))
    # Turn the plan so that one stands at 0 and looks along the imaginary axis.
    seen = (what - here) / (there - here) * 1j
    side = "left" if seen.real < 0 else "right"
    degrees = abs(np.degrees(np.angle(seen / 1j)))
    kind = one.kind.rpartition("_")[2]
    expected = {
        "easy": side,
        "medium": "back" if degrees >= 135 else side,
        "hard": f"{'front' if seen.imag > 0 else 'back'}-{side}",
    }[kind]
    assert chosen_option(one) == expected


def check_order(filmed, view_, one):
    names = re.search(r"in the video: (.+)\?", one.text)[1].split(", ")
    labels = [other.label for other in filmed.room.things]
    least = 60 / 15_680 * filmed.room.width * filmed.room.height

    def first(name):
        for place in view_.positions:
            pixels = [filmed.pixels[place, number] for number, label in enumerate(labels) if label == name]
            if max(pixels) >= least - 0.5:
                return place
        raise AssertionError(f"{name} is never seen")

    assert chosen_option(one).split(", ") == sorted(names, key=first)


def check_route(filmed, view_, one):
    pattern = r"beginning at the (.+?) facing the (.+?)\. You .+ until the (.+?) 3\. .+ until the (.+?)\. You have"
    start, facing, via, goal = (
        complex(*boxes_by_name(filmed)[name][:2]) for name in re.search(pattern, one.text).groups()
    )
    words = {0: "Turn Right", 1: "Turn Back", 2: "Turn Left"}
    moves = []
    for turned in ((via - start) / (facing - start), (goal - via) / (via - start)):
        degrees = np.degrees(np.angle(turned))
        moves.append(words[1 if abs(degrees) > 135 else 2 if degrees > 0 else 0])
    assert chosen_option(one) == ", ".join(moves)


CHECKS = {
    "object_counting": check_count,
    "object_abs_distance": check_distance,
    "object_size_estimation": check_size,
    "room_size_estimation": check_room_size,
    "object_rel_distance": check_nearest,
    "object_rel_direction_easy": check_direction,
    "object_rel_direction_medium": check_direction,
    "object_rel_direction_hard": check_direction,
    "route_planning": check_route,
    "obj_appearance_order": check_order,
}
