"""What the small model reads as one token: the words of rooms, and the sentences that all questions of a kind have.

Written out, so that no room has to be made to have them; a test makes rooms and finds all of their words here.
"""

PHRASES = (
    "How many",
    "(s) are in this room?",
    "Measuring from the closest point of each object, what is the distance between the",
    " (in meters)?",
    "What is the length of the longest dimension (length, width, or height) of the",
    ", measured in centimeters?",
    "What is the size of this room (in square meters)? "
    "If multiple rooms are shown, estimate the size of the combined space.",
    "Measuring from the closest point of each object, which of these objects (",
    ") is the closest to the",
    "If I am standing by the",
    " and facing the",
    ", is the",
    " to the left or the right of the",
    " to my left, right, or back? "
    "An object is to my back if I would have to turn at least 135 degrees in order to face it.",
    " to my front-left, front-right, back-left, or back-right? The directions refer to the quadrants of a Cartesian "
    "plane (if I am standing at the origin and facing along the positive y-axis).",
    "What will be the first-time appearance order of the following categories in the video:",
    "You are a robot beginning at the",
    " facing the",
    ". You want to navigate to the",
    ". You will perform the following actions (Note: for each [please fill in], choose either 'turn back,' "
    "'turn left,' or 'turn right.'): 1. [please fill in] 2. Go forward until the",
    " 3. [please fill in] 4. Go forward until the",
    ". You have reached the final destination.",
)
"""Parts of questions, as they stand in the text."""

_WITHIN = """
Back Left Right Turn a above against an and are armchair back backpack bathtub bed beige black blue book bookshelf
box brown cabinet can cardboard chair checked closest coffee corner couch desk door dresser fabric for from front
furthest green grey hangs in is it lamp laptop large largest left light long looking low machine metal microwave
middle monitor near next nightstand of on one ottoman picture pillow pink plant purple red refrigerator right room
sink small smallest square stands stool stove striped table tall tallest teal the there to toilet trash tv wall
washing white wide with wooden yellow
"""
_AT_THE_START = """
An Frame The There This We armchair backpack bathtub bed book bookshelf box cabinet chair coffee couch desk door dresser
lamp laptop left microwave monitor nightstand ottoman picture pillow plant refrigerator right sink stool stove table
toilet trash tv washing
"""

# A turn begins with three tokens, of which this is the second.
_ROLES = ("system", "user", "assistant")

WORDS = (*_ROLES, *(f" {word}" for word in _WITHIN.split()), *_AT_THE_START.split())
"""Words as they stand in the text: with the blank before them, or at the start of a sentence, a label or an answer."""
