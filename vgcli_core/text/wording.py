"""What a question in words asks for: the place of an object, the boxes of all objects, or something else.

The rules are few and cautious. A question that is wrongly taken for a place gets a useless box, while one that is
wrongly answered in words can be asked again with `--task ground`; so whatever is not plain stays a question in words.
"""

import re

_POLITE = r"(?:(?:hi|hey|hello|ok|okay|so|please)\b[,!]?\s+)*+(?:(?:can|could|would|will)\s+you\s+(?:please\s+)?+)?+"
_TELL = r"(?:(?:do\s+you\s+know|(?:tell|show)\s+me|find(?:\s+out\b)?+|locate|i\s+(?:want|need)\s+to\s+know)\s+)?+"
_WHO = r"(?:i|we|you|one)"

_ASKED = tuple(
    re.compile(_POLITE + pattern, re.IGNORECASE)
    for pattern in (
        # "where is the sink", "where's my mug", "where are the chairs located"
        _TELL + r"where(?:['’]?s|['’]re|(?:\s+exactly)?\s+(?:is|are))(?:\s+(?:exactly|there))?\s+(?P<thing>.+)",
        # "tell me where the sink is"
        _TELL + r"where\s+(?P<thing>.+?)\s+(?:is|are)(?:\s+(?:located|placed|situated))?",
        rf"where\s+(?:can|could|do|would)\s+{_WHO}\s+(?:find|see|spot)\s+(?P<thing>.+)",
        r"(?:in\s+)?which\s+frames?\s+(?:(?:best|clearly)\s+)?+(?:shows?|has|have|contains?)\s+(?P<thing>.+)",
        r"in\s+which\s+frames?\s+(?:is|are)\s+(?P<thing>.+?)(?:\s+(?:visible|shown|seen))?",
        rf"in\s+which\s+frames?\s+(?:can|do)\s+{_WHO}\s+see\s+(?P<thing>.+)",
    )
)
_COMMANDED = tuple(
    re.compile(_POLITE + pattern, re.IGNORECASE)
    for pattern in (
        r"(?:locate|localize|localise|point\s+(?:out|to|at)|find(?:\s+me\b)?+)\s+(?P<thing>.+)",
        r"show\s+me\s+(?P<thing>(?:the|a|an|my|our|this|that|your)\s+.+)",
    )
)

_ALL_OBJECTS = re.compile(
    _POLITE + r"(?:detect|(?:list|find|locate|box|show(?:\s+me\b)?+)(?=.*\b(?:all|every|each|everything)\b))\s+"
    r"(?:(?:all|every|each|of|the|visible|3d)\s+)*+"
    r"(?:objects|things|items|everything|(?:(?<=every\s)|(?<=each\s))(?:object|thing|item)"
    r"|bounding\s+box(?:es)?(?:\s+(?:of|for)\s+(?:all\s+)?(?:the\s+)?objects)?)"
    r"(?:\s+(?:with|and)\s+(?:their\s+|its\s+)?(?:3d\s+)?(?:bounding\s+)?box(?:es)?)?"
    r"(?:\s+(?:in|of)\s+(?:the|this)\s+\w+)?",
    re.IGNORECASE,
)
# "list all objects" alone may want names only.
_MEANS_BOXES = re.compile(r"\b(?:detect|find|locate|box(?:es)?)\b", re.IGNORECASE)

# Words after an object that say nothing about it.
_TAIL = re.compile(
    r"(?:\s+(?:located|placed|situated|positioned|best|(?:most\s+)?clearly|please"
    r"|in\s+(?:the|this)\s+(?:video|clip|footage|scene|frames?|images?|pictures?)))+\Z",
    re.IGNORECASE,
)

# Not an object in view: nobody named, the recording itself, a quantity, a way, advice, a question.
_NO_OBJECT = re.compile(
    r"it|this|that|these|those|they|them|we|us|you|he|she|him|her|i|me|everyone|everybody|anyone|here|there"
    r"|(?:the|this|that|our|your|my)\s+(?:video|clip|footage|camera\w*|observer|viewer|place|scene|setting)"
    r"|(?:(?:the|a|an|some|total)\s+)*+(?:number|count|amount|distance|size|area|length|height|width|depth|volume)"
    r"(?:\s+(?:of|between|from|to|in)\b.*)?"
    r"|(?:(?:the|a|an|my)\s+)?(?:\w+\s+)?(?:way|path|route|difference|answer|reason|best|most|fewest)\b.*"
    r"|(?:out|if|whether|how|what|why|who|when|which)\b.*",
    re.IGNORECASE,
)
# A second question, advice, a relation between two things, or an action: a box would be no answer.
_MORE_THAN_A_PLACE = re.compile(
    r"[?!;]|\.\s+(?!(?:it|this|that|there)\b)"
    r"|\b(?:relative|respect|compared|relation)\b|\bor\b"
    r"|\b(?:place|spot|room|space)\s+(?:to|for|where)\b"
    r"|\b(?:and|but)\s+(?:what|which|where|how|who|why|when|is|are|does|do|tell|describe|count)\b"
    r"|\b(?:going|heading|headed|walking|running|moving|looking|leading|pointing|facing|coming|sitting|standing|doing"
    r"|taken|filmed|shot|recorded|made|from|to|towards?|now|today)\Z",
    re.IGNORECASE,
)


def described_object(text: str, *, commands: bool = True) -> str:
    """Return the object whose place `text` asks for, as a description ("The sink"); empty if it asks something else.

    `commands` also reads "find ..." and the like, which are questions to a user and descriptions in ScanRefer.
    """
    words = _plain(text)
    for pattern in _ASKED + (_COMMANDED if commands else ()):
        match = pattern.fullmatch(words)
        if match:
            thing = _TAIL.sub("", match["thing"]).strip(" ,")
            is_object = thing and not _NO_OBJECT.fullmatch(thing) and not _MORE_THAN_A_PLACE.search(thing)
            return thing.capitalize() if is_object else ""
    return ""


def names_all_objects(text: str) -> bool:
    """Tell whether `text` speaks of all objects and nothing else, as "list all objects" does."""
    return _ALL_OBJECTS.fullmatch(_plain(text)) is not None


def asks_for_all_boxes(text: str) -> bool:
    """Tell whether `text` plainly asks for the boxes of all objects, as "detect all objects" does."""
    return names_all_objects(text) and _MEANS_BOXES.search(text) is not None


def _plain(text: str) -> str:
    """Return `text` on one line and without the punctuation at its end."""
    return " ".join(text.split()).rstrip("?!. ")
