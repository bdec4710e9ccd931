"""Which wordings ask for a place, and what they describe; which stay questions in words."""

import pytest

from vgcli_core.text.wording import asks_for_all_boxes, described_object, names_all_objects


@pytest.mark.parametrize(
    ("question", "description"),
    [
        ("where is the sink?", "The sink"),
        ("Where's my red mug on the table?", "My red mug on the table"),
        ("where are the chairs", "The chairs"),
        ("can you tell me where the sink is?", "The sink"),
        ("Hey, could you please show me where the fridge is located?", "The fridge"),
        ("Do you know where my keys are?", "My keys"),
        ("Where’s the lamp", "The lamp"),
        ("wheres the lamp", "The lamp"),
        ("WHERE IS THE LAMP?!", "The lamp"),
        ("where exactly is the lamp?", "The lamp"),
        ("where is there a chair?", "A chair"),
        ("where  is\nthe sink located in the kitchen?", "The sink located in the kitchen"),
        ("where are the light switches located in this video?", "The light switches"),
        ("where can I find a towel?", "A towel"),
        ("where is the painting?", "The painting"),
        ("where is the area rug?", "The area rug"),
        ("where is the chair next to the table", "The chair next to the table"),
        ("where is the camera on the tripod?", "The camera on the tripod"),
        ("locate the sink", "The sink"),
        ("Please find me a chair.", "A chair"),
        ("find media shelf", "Media shelf"),
        ("find the largest chair", "The largest chair"),
        ("find the chair. it is black.", "The chair. it is black"),
        ("show me the red chair", "The red chair"),
        ("Point to the door.", "The door"),
        ("which frame shows the sink most clearly?", "The sink"),
        ("in which frame is the TV visible?", "The tv"),
        ("In which frames can you see the bed", "The bed"),
    ],
)
def test_a_question_about_a_place_names_its_object(question, description):
    assert described_object(question) == description


@pytest.mark.parametrize(
    "question",
    [
        "",
        "where",
        "where is",
        "where is ?",
        "find",
        "where should I sit?",
        "where was the video taken?",
        "where is the video taken?",
        "where is this place?",
        "where is the camera?",
        "where is it?",
        "where are we?",
        "where are you standing?",
        "where is the person going?",
        "where is the light coming from?",
        "where is the best place to sit?",
        "find a place to sit",
        "where is the sink relative to the door?",
        "where is the sink with respect to the door?",
        "where is the sink and what color is it?",
        "where is the sink? what color is it?",
        "where is the sink, left or right?",
        "find the total number of chairs",
        "find the number of chairs",
        "find the distance between the bed and the sofa",
        "find out how many chairs there are",
        "find the shortest path to the door",
        "show me how to sit",
        "show me the way",
        "is there a chair where I can sit?",
        "how many chairs are there?",
        "what is on the table?",
        "detect the chair",
        "which frame shows the most chairs?",
    ],
)
def test_anything_else_describes_no_object(question):
    assert described_object(question) == ""


def test_a_command_is_a_description_in_the_training_data():
    assert described_object("find the brown chair", commands=False) == ""
    assert described_object("where is the brown chair", commands=False) == "The brown chair"


@pytest.mark.parametrize(
    "question",
    [
        "detect all objects",
        "Detect objects.",
        "please detect everything",
        "detect the 3D bounding boxes",
        "Detect the 3D bounding boxes of all objects",
        "list all objects with boxes",
        "List all the objects with their 3D bounding boxes!",
        "find all objects in the room",
        "detect every object",
    ],
)
def test_all_boxes_are_asked_for_in_plain_words_only(question):
    assert asks_for_all_boxes(question)
    assert names_all_objects(question)


@pytest.mark.parametrize(
    "question", ["", "detect the chair", "detect boxes", "detect all chairs", "find the object", "detect the object"]
)
def test_some_boxes_are_not_all_boxes(question):
    assert not asks_for_all_boxes(question)


def test_a_list_of_objects_may_mean_names():
    assert names_all_objects("list all objects")
    assert not asks_for_all_boxes("list all objects")


@pytest.mark.parametrize("text", ["where " * 20_000, "where is " + "the " * 30_000 + "is", "please " * 20_000])
def test_long_texts_are_read_without_trouble(text):
    described_object(text)
    asks_for_all_boxes(text)
