"""What a model wrote, which also knows how it ended."""


class Written(str):
    """An answer's text.

    Attributes:
        tokens: how many were generated, the end token included; 0 where that is not known.
        complete: False where the answer was cut off at its limit of tokens.
    """

    tokens: int
    complete: bool

    def __new__(cls, text: str, *, tokens: int = 0, complete: bool = True) -> "Written":
        """Return `text` with how it ended."""
        written = super().__new__(cls, text)
        written.tokens = tokens
        written.complete = complete
        return written
