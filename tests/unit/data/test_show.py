"""Contact sheets: boxes where they are, samples of every kind, texts cut or escaped, the same bytes every time."""

import base64
import io
import json
import re
import tarfile
import tracemalloc
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from vgcli_core.data import show_choice
from vgcli_core.data.prepared import SCHEMA, open_prepared
from vgcli_core.data.sample import Cameras, FramedBox, Sample, Turn, human_turn, to_line
from vgcli_core.data.show import MOST, show
from vgcli_core.data.show_choice import choose
from vgcli_core.data.show_marks import PALETTE, POINT, TARGET, colors_of, marks_of
from vgcli_core.data.show_views import MOST_FRAMES, choose_frames, views_of
from vgcli_core.errors import DataError, OutputError, UsageError
from vgcli_core.geometry.boxes import OrientedBox
from vgcli_core.text.prompts import caption_prompt, detect_prompt, ground_prompt

WALL = (96, 0, 96)
FOCAL, WIDTH, HEIGHT = 200.0, 320, 240
INTRINSICS = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
# One metre wide, its near face 1.5 m and its far face 2.5 m in front of the camera.
CUBE = OrientedBox((0, 0, 2), (1, 1, 1), (0, 0, 0), "chair")


def jpeg(color=WALL, width=WIDTH, height=HEIGHT) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), color).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def write_set(root, *samples, frames=True, counts=None):
    """Write a finished set; samples keep their splits, all their frames are plain pictures."""
    splits = list(dict.fromkeys(sample.split for sample in samples)) or ["train"]
    root.mkdir(parents=True, exist_ok=True)
    found = {split: [to_line(sample) for sample in samples if sample.split == split] for split in splits}
    for split, lines in found.items():
        (root / f"{split}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    for name in {name for sample in samples for name in sample.frames} if frames else ():
        path = root / "frames" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg())
    rows = {split: {"samples": (counts or {}).get(split, len(lines))} for split, lines in found.items()}
    manifest = {"schema": SCHEMA, "dataset": "tiny", "title": "Tiny <set>", "splits": rows}
    (root / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return root


def cameras(*poses, size=(WIDTH, HEIGHT)) -> Cameras:
    return Cameras(INTRINSICS, np.array(poses, dtype=float).reshape(-1, 4, 4), np.eye(4), size)


def shifted(x) -> np.ndarray:
    """A camera at (x, 0, 0) that looks along z."""
    pose = np.eye(4)
    pose[0, 3] = x
    return pose


def sample(id="s", *, task="ask", text="How many?", answer="4", frames=("a/0.jpg",), split="train", **more) -> Sample:
    turns = (human_turn(text, len(frames), newline="\n"), Turn("gpt", answer))
    return Sample(id, "tiny", split, "scene_7", task, tuple(frames), turns, **more)


def grounded(**more) -> Sample:
    values = {"cameras": cameras(np.eye(4)), "boxes": (FramedBox(CUBE, 0),)} | more
    return sample(task="ground", text=ground_prompt("the chair", 2).text, answer="{...}", **values)


def pictures_of(root, one, width=640):
    return views_of(open_prepared(root), one, marks_of(one), width)


def has_color(image, color, x, y, *, reach=4, tolerance=40) -> bool:
    """Tell whether the colour is within `reach` pixels of the point x, y."""
    area = image[max(0, round(y) - reach) : round(y) + reach + 1, max(0, round(x) - reach) : round(x) + reach + 1]
    return bool((np.abs(area.astype(int) - color).max(axis=2) < tolerance).any())


def shows_cube(image, color=TARGET, *, focal=FOCAL, x=0.0, reach=4) -> bool:
    """Tell whether the colour is at all eight corners of CUBE, moved by x metres to the right."""
    scale = image.shape[1] / WIDTH
    return all(
        has_color(
            image,
            color,
            scale * (WIDTH / 2 + (x + sx) / depth * focal),
            scale * (HEIGHT / 2 + sy / depth * focal),
            reach=reach,
            tolerance=tolerance,
        )
        # The edges of the far face are hidden: thin, dashed and pale.
        for depth, tolerance in ((1.5, 40), (2.5, 100))
        for sx in (-0.5, 0.5)
        for sy in (-0.5, 0.5)
    )


class Page(HTMLParser):
    """The elements, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.attributes = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def page_of(root, tmp_path, **values):
    out = tmp_path / "sheet.html"
    show(root, out, **values)
    text = out.read_text(encoding="utf-8")
    return text, Page(text)


def pictures_in(text):
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    return [np.array(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


# Boxes and points


def test_a_box_is_drawn_where_its_corners_are_projected(tmp_path):
    root = write_set(tmp_path / "set", grounded())
    image = pictures_of(root, grounded()).pictures[0].image
    assert shows_cube(image)
    height, width = image.shape[:2]
    assert has_color(image, WALL, width / 2, height / 2, reach=0)  # no edge there
    assert not has_color(image, TARGET, width * 0.1, height * 0.9, reach=20)


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_the_box_is_found_in_the_picture_of_the_whole_sheet(tmp_path, ending):
    root, out = write_set(tmp_path / "set", grounded()), tmp_path / f"sheet.{ending}"
    show(root, out)
    sheet = np.array(Image.open(out))
    rows, columns = np.nonzero((np.abs(sheet.astype(int) - WALL) < 12).all(axis=2))
    frame = sheet[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert frame.shape[1] / frame.shape[0] == pytest.approx(WIDTH / HEIGHT, rel=0.01)
    assert shows_cube(frame, reach=5)


def test_the_box_is_found_in_the_pictures_of_the_page(tmp_path):
    text, _ = page_of(write_set(tmp_path / "set", grounded()), tmp_path)
    (image,) = pictures_in(text)
    assert shows_cube(image)


def test_intrinsics_of_another_size_are_scaled_to_the_picture(tmp_path):
    doubled = Cameras(INTRINSICS * [[2], [2], [1]], np.eye(4)[None], np.eye(4), (2 * WIDTH, 2 * HEIGHT))
    one = grounded(cameras=doubled)
    image = pictures_of(write_set(tmp_path / "set", one), one).pictures[0].image
    assert shows_cube(image)


def test_without_cameras_58_degrees_are_assumed_and_said(tmp_path):
    one = grounded(cameras=None)
    root = write_set(tmp_path / "set", one)
    views = pictures_of(root, one)
    focal = WIDTH / 2 / np.tan(np.radians(29))
    image = views.pictures[0].image
    assert shows_cube(image, focal=focal)
    assert any("58°" in remark for remark in views.remarks)
    assert any("58°" in note and "1 of 1" in note for note in show(root, tmp_path / "sheet.png"))
    assert "58° is assumed" in page_of(root, tmp_path)[1].text


def test_other_frames_show_the_box_where_their_poses_put_it(tmp_path):
    one = grounded(frames=("a/0.jpg", "a/1.jpg"), cameras=cameras(np.eye(4), shifted(0.4)))
    other = pictures_of(write_set(tmp_path / "set", one), one, 960).pictures[1].image
    assert shows_cube(other, x=-0.4)


def test_a_frame_without_a_pose_shows_no_box(tmp_path):
    one = grounded(frames=("a/0.jpg", "a/1.jpg"), cameras=cameras(np.eye(4), np.full((4, 4), np.nan)))
    first, second = pictures_of(write_set(tmp_path / "set", one), one).pictures
    assert shows_cube(first.image)
    assert (np.abs(second.image.astype(int) - WALL) < 12).all()


def test_the_true_box_of_an_evaluation_sample_comes_from_the_scan(tmp_path):
    # The camera looks along the scan's y; its y points down, against the scan's z.
    pose = [[1, 0, 0, 0], [0, 0, 1, -2], [0, -1, 0, 1.5], [0, 0, 0, 1]]
    truth = {"bbox_3d": [0, 0, 1.5, 1, 1, 1, 0, 0, 0], "euler_convention": "ZXY", "visible_frames": [1]}
    away = np.array(pose, dtype=float)
    away[1, 3] = 5  # past the box
    one = sample(task="ground", answer="", frames=("a/0.jpg", "a/1.jpg"), cameras=cameras(away, pose), truth=truth)
    views = pictures_of(write_set(tmp_path / "set", one), one, 960)
    assert views.leads
    assert views.pictures[0].caption.startswith("#1 ")
    image = views.pictures[0].image
    assert shows_cube(image)


def test_boxes_of_a_detection_have_a_colour_for_each_label(tmp_path):
    side = OrientedBox((-0.9, 0, 2), (0.4, 0.4, 0.4), (0, 0, 0), "lamp")
    twin = OrientedBox((0.9, 0, 2), (0.4, 0.4, 0.4), (0, 0, 0), "lamp")
    boxes = tuple(FramedBox(box, 0) for box in (CUBE, side, twin))
    one = sample(task="detect", text=detect_prompt(2).text, boxes=boxes, cameras=cameras(np.eye(4)))
    root = write_set(tmp_path / "set", one)
    image = pictures_of(root, one).pictures[0].image
    assert shows_cube(image, PALETTE[0])
    scale = image.shape[1] / WIDTH
    for x in (-0.9 - 0.2, -0.9 + 0.2, 0.9 - 0.2, 0.9 + 0.2):
        assert has_color(image, PALETTE[1], scale * (160 + x / 1.8 * FOCAL), scale * (120 + 0.2 / 1.8 * FOCAL))
    assert "lamp ×2" in page_of(root, tmp_path)[1].text


def test_two_dozen_labels_have_two_dozen_colours():
    labels = [f"label {place}" for place in range(24)]
    colors = np.array(colors_of(labels))
    apart = np.abs(colors[:, None] - colors[None]).max(axis=2) + 999 * np.eye(24)
    assert apart.min() >= 25
    assert apart[:12, :12].min() >= 50
    assert colors_of(["a", "b", "a"]) == (PALETTE[0], PALETTE[1], PALETTE[0])


def test_boxes_out_of_view_are_counted(tmp_path):
    behind = OrientedBox((0, 0, -3), (1, 1, 1), (0, 0, 0), "bed")
    one = sample(task="detect", boxes=(FramedBox(CUBE, 0), FramedBox(behind, 0)), cameras=cameras(np.eye(4)))
    views = pictures_of(write_set(tmp_path / "set", one), one)
    assert views.remarks == ("1 of 2 boxes lie outside of the view of frame 0",)


def test_a_box_of_a_frame_that_does_not_exist_is_left_out_and_said(tmp_path):
    one = grounded(boxes=(FramedBox(CUBE, 3),))
    notes = show(write_set(tmp_path / "set", one), tmp_path / "sheet.png")
    assert any("frames that the sample does not have" in note for note in notes)


@pytest.mark.parametrize(("reference", "expected"), [("first", "#0 "), ("last", "#7 ")])
def test_the_point_of_a_caption_is_marked_in_the_frame_it_is_given_in(tmp_path, reference, expected):
    one = sample(
        task="caption",
        text=caption_prompt((0.3, -0.2, 2.0)).text,
        frames=[f"a/{place}.jpg" for place in range(8)],
        info={"reference_frame": reference},
    )
    picture = pictures_of(write_set(tmp_path / "set", one), one).pictures[0]
    focal, scale = WIDTH / 2 / np.tan(np.radians(29)), picture.image.shape[1] / WIDTH
    assert picture.caption.startswith(expected)
    assert has_color(picture.image, POINT, scale * (160 + 0.15 * focal), scale * (120 - 0.1 * focal))


def test_markers_are_drawn_and_their_frames_chosen(tmp_path):
    markers = {"type": "depth_prediction_oc_mv", "red_point": [[250, 500]], "blue_point": [[750, 500]]}
    markers["point_img_idx"] = [[4, 11]]
    one = sample(frames=[f"a/{place:02d}.jpg" for place in range(20)], markers=markers)
    pictures = pictures_of(write_set(tmp_path / "set", one), one).pictures
    assert len(pictures) == MOST_FRAMES
    red, blue = (next(one for one in pictures if one.caption.startswith(name)) for name in ("#4 ", "#11 "))
    height, width = red.image.shape[:2]
    assert has_color(red.image, (255, 0, 0), width / 4, height / 2, reach=1)
    assert has_color(blue.image, (0, 0, 255), width * 3 / 4, height / 2, reach=1)


def test_markers_that_cannot_be_drawn_leave_the_frames_and_a_remark(tmp_path):
    one = sample(frames=("a/0.jpg",), markers={"type": "distance_prediction_oc"})
    views = pictures_of(write_set(tmp_path / "set", one), one)
    assert len(views.pictures) == 1
    assert "markers not drawn: red_point is missing" in views.remarks[0]


# Frames


@pytest.mark.parametrize(
    ("total", "anchors", "in_sight", "expected"),
    [
        (3, [], [], [0, 1, 2]),
        (31, [], [], [0, 10, 20, 30]),
        (10, [7], [], [7, 0, 4, 9]),
        (10, [7], [5, 7, 8], [7, 3, 5, 8]),
        (10, [9, 2], [], [9, 0, 2, 8]),
        (1, [0], [0], [0]),
    ],
)
def test_the_target_comes_first_and_the_others_are_spread(total, anchors, in_sight, expected):
    assert choose_frames(total, anchors, in_sight) == expected


def test_samples_without_frames_are_cards_of_text(tmp_path):
    text, page = page_of(write_set(tmp_path / "set", sample(frames=())), tmp_path)
    assert not pictures_in(text)
    assert "the sample has no frames" in page.text
    assert "How many?" in page.text


def test_frames_that_were_not_stored_are_said_and_the_text_is_there(tmp_path):
    root = write_set(tmp_path / "set", sample(), frames=False)
    notes = show(root, tmp_path / "sheet.png")
    assert any(note.startswith("frames not shown") and "1 of 1 cards" in note for note in notes)
    assert "How many?" in page_of(root, tmp_path)[1].text


def test_frames_in_a_tar_are_read(tmp_path):
    packed = grounded(pack="pack/scene.tar")
    root = write_set(tmp_path / "set", packed, frames=False)
    (root / "frames" / "pack").mkdir(parents=True)
    with tarfile.open(root / "frames" / "pack" / "scene.tar", "w") as tar:
        member = tarfile.TarInfo("a/0.jpg")
        member.size = len(jpeg())
        tar.addfile(member, io.BytesIO(jpeg()))
    image = pictures_of(root, packed).pictures[0].image
    assert shows_cube(image)


# Choice


def many() -> list[Sample]:
    common = [sample(f"c{place}", question_type="count", frames=()) for place in range(300)]
    rare = [sample(f"r{place}", question_type="route", frames=()) for place in range(2)]
    found = [sample(f"g{place}", task="ground", frames=()) for place in range(3)]
    tested = [sample(f"t{place}", split="test", question_type="count", frames=()) for place in range(300)]
    return [*common, *rare, *found, *tested]


def test_splits_then_tasks_then_types_take_turns(tmp_path):
    prepared = open_prepared(write_set(tmp_path / "set", *many()))
    kinds = [one.id[0] for one in choose(prepared, prepared.splits, 12, 0).samples]
    # Of 12: six of test; of train three of each task, those of ask from both types.
    assert {kind: kinds.count(kind) for kind in "crgt"} == {"c": 2, "r": 1, "g": 3, "t": 6}
    assert kinds == sorted(kinds, key="crgt".index)


def test_few_samples_are_all_shown_once(tmp_path):
    prepared = open_prepared(write_set(tmp_path / "set", *many()[298:305]))
    found = [one.id for one in choose(prepared, prepared.splits, 50, 0).samples]
    assert found == ["c298", "c299", "r0", "r1", "g0", "g1", "g2"]


def test_a_seed_fixes_the_choice_and_another_changes_it(tmp_path):
    prepared = open_prepared(write_set(tmp_path / "set", *many()))
    first, again, other = (
        [one.id for one in choose(prepared, prepared.splits, 12, seed).samples] for seed in (0, 0, 1)
    )
    assert first == again != other


def test_every_sample_of_a_type_can_be_chosen(tmp_path):
    prepared = open_prepared(write_set(tmp_path / "set", *many()[296:302]))
    seen = {one.id for seed in range(40) for one in choose(prepared, prepared.splits, 2, seed).samples}
    assert seen == {"c296", "c297", "c298", "c299", "r0", "r1"}


def test_one_split_can_be_shown_alone(tmp_path):
    _, page = page_of(write_set(tmp_path / "set", *many()), tmp_path, split="test", count=3)
    assert "3 of 300 samples (test 300)" in page.text


def test_of_many_samples_a_part_is_looked_at_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(show_choice, "LOOKED_AT", 60)
    root = write_set(tmp_path / "set", *many()[:300])
    choice = choose(open_prepared(root), ("train",), 12, 0)
    assert 30 < choice.looked_at < 100
    assert f"chosen from {choice.looked_at} random ones" in show(root, tmp_path / "sheet.png")[0]


def test_types_without_end_are_held_in_one_place(tmp_path, monkeypatch):
    monkeypatch.setattr(show_choice, "_MOST_KINDS", 5)
    rows = [sample(f"s{place}", question_type=f"type {place}", frames=()) for place in range(50)]
    prepared = open_prepared(write_set(tmp_path / "set", *rows))
    assert len({one.id for one in choose(prepared, ("train",), 20, 0).samples}) == 20


def test_the_set_is_never_held(tmp_path):
    rows = [sample(f"s{place}", answer="x" * 1000, frames=()) for place in range(5000)]
    prepared = open_prepared(write_set(tmp_path / "set", *rows))
    tracemalloc.start()
    choose(prepared, ("train",), 12, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (prepared.root / "train.jsonl").stat().st_size / 10


# Texts


HOSTILE = '<script>alert("x")</script><img src="http://example.org/x.png" onerror="alert(1)">&amp; </p></article>'


def test_hostile_text_stays_text(tmp_path):
    one = sample(HOSTILE, text=HOSTILE, answer=HOSTILE, question_type=HOSTILE, frames=(), options=(HOSTILE, "b"))
    plain = sample("id", text="q", answer="a", question_type="t", frames=(), options=("c", "b"))
    text, page = page_of(write_set(tmp_path / "hostile", one), tmp_path)
    assert page.tags == page_of(write_set(tmp_path / "plain", plain), tmp_path)[1].tags
    assert page.text.count(HOSTILE) == 5
    assert "<script" not in text
    assert not any(name.startswith("on") for name, _ in page.attributes)


def test_hostile_names_stay_inside_their_attributes(tmp_path):
    one = sample(frames=('a/"onerror="alert(1).jpg',))
    _, page = page_of(write_set(tmp_path / "set", one), tmp_path)
    assert {name for name, _ in page.attributes if name.startswith("on")} == set()
    assert any(name == "alt" and 'a/"onerror="alert(1).jpg' in value for name, value in page.attributes)


def test_control_characters_and_lone_surrogates_are_shown_as_replaced(tmp_path):
    root = write_set(tmp_path / "set", sample(text="a\x1b[31mb\x00c"))
    path = root / "train.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("[31m", r"\ud800"), encoding="utf-8")
    show(root, tmp_path / "sheet.png")
    assert "a�?b�c" in page_of(root, tmp_path)[1].text


def test_a_page_needs_nothing_from_elsewhere(tmp_path):
    text, page = page_of(write_set(tmp_path / "set", grounded()), tmp_path)
    assert "default-src 'none'" in text
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert not re.search(r"https?:|url\(|@import", text)
    assert page.tags.count("img") == 1
    assert [value for name, value in page.attributes if name == "alt"] == ["Frame 0 of 1, a/0.jpg; boxes drawn: chair"]


def test_long_texts_are_cut_with_a_count_and_unfold_on_a_page(tmp_path):
    root = write_set(tmp_path / "set", sample(text="word " * 1000 + "end", frames=()))
    text, page = page_of(root, tmp_path)
    assert f"... (+{5003 - 700:,} characters)" in page.text
    assert page.text.replace(f"... (+{5003 - 700:,} characters)", "").count("word") == 1000
    assert "<details>" in text
    show(root, tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").height < 1200


def test_texts_without_end_are_not_written_whole(tmp_path):
    text, page = page_of(write_set(tmp_path / "set", sample(answer="y" * 300_000, frames=())), tmp_path)
    assert len(text) < 60_000
    assert "(+280,000 characters)" in page.text


def test_options_that_the_question_does_not_list_are_listed_and_the_letter_explained(tmp_path):
    one = sample(text="Which?", answer="B", options=("table", "sofa"), frames=())
    _, page = page_of(write_set(tmp_path / "set", one), tmp_path)
    assert "A. table\nB. sofa" in page.text
    assert "B  =  sofa" in page.text


@pytest.mark.parametrize(("visible", "expected"), [(True, "target visible"), (False, "target in no frame")])
def test_a_card_names_all_that_the_sample_is(tmp_path, visible, expected):
    one = grounded(question_type="multiple", target_visible=visible)
    _, page = page_of(write_set(tmp_path / "set", one), tmp_path)
    for word in (
        "train",
        "ground",
        "multiple",
        "scene scene_7",
        "1 frame",
        expected,
        "The chair",
        "{...}",
        "Tiny <set>",
    ):
        assert word in page.text
    assert "chair, 1.00 × 1.00 × 1.00 m, in frame 0" in page.text


def test_letters_that_the_font_lacks_are_announced_on_a_picture_only(tmp_path):
    root = write_set(tmp_path / "set", sample(text="Wie groß ist das Café 中?"))
    assert any("the font lacks" in note for note in show(root, tmp_path / "sheet.png"))
    assert not any("the font lacks" in note for note in show(root, tmp_path / "sheet.html"))
    assert not any("the font lacks" in note for note in show(write_set(tmp_path / "b", sample()), tmp_path / "b.png"))


# Files and errors


@pytest.mark.parametrize("ending", ["png", "jpg", "jpeg", "html"])
def test_the_same_set_gives_the_same_bytes(tmp_path, ending):
    root = write_set(tmp_path / "set", grounded(), *many())
    outs = [tmp_path / f"{name}.{ending}" for name in ("a", "b")]
    assert show(root, outs[0], count=5) == show(root, outs[1], count=5)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a.{ending}", f"b.{ending}", "set"]


@pytest.mark.parametrize(
    ("values", "error", "what"),
    [
        ({"out": "sheet.pdf"}, UsageError, "'.pdf'"),
        ({"out": "sheet"}, UsageError, "without an ending"),
        ({"out": "set/frames/a/0.jpg"}, UsageError, "among the frames"),
        ({"count": 0}, UsageError, "0 samples"),
        ({"count": MOST + 1}, UsageError, f"{MOST + 1} samples"),
        ({"split": "val"}, DataError, "no split 'val'"),
        ({"out": "set/manifest.json/sheet.png"}, OutputError, "cannot write"),
    ],
)
def test_wrong_requests_are_refused_in_words(tmp_path, values, error, what):
    root = write_set(tmp_path / "set", sample())
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error, match=re.escape(what)):
        show(root, tmp_path / values.pop("out", "sheet.png"), **values)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_without_a_finished_set_is_refused(tmp_path):
    with pytest.raises(DataError, match="no prepared set"):
        show(tmp_path, tmp_path / "sheet.png")
    (tmp_path / ".work").mkdir()
    with pytest.raises(DataError, match="not finished"):
        show(tmp_path, tmp_path / "sheet.png")


def test_an_empty_set_is_refused(tmp_path):
    root = write_set(tmp_path / "set")
    with pytest.raises(DataError, match="no samples"):
        show(root, tmp_path / "sheet.png")


def test_a_damaged_line_is_named(tmp_path):
    root = write_set(tmp_path / "set", sample(), sample("b"))
    path = root / "train.jsonl"
    path.write_text(path.read_text(encoding="utf-8")[:-30], encoding="utf-8")
    with pytest.raises(DataError) as error:
        show(root, tmp_path / "sheet.png")
    assert error.value.where.endswith("train.jsonl, line 2")
