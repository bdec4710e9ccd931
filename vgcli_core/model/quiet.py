"""Keep third-party progress bars and advice off the screen: our own messages say what a user needs."""

import contextlib
import os
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence transformers' bars, logs and warnings inside a block, unless VGLLM_DEBUG is set."""
    if os.environ.get("VGLLM_DEBUG"):
        yield
        return
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()
