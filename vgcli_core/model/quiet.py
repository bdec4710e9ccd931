"""Keep third-party progress bars and advice off the screen: our own messages say what a user needs."""

import contextlib
import os
import threading
import warnings
from collections.abc import Iterator

# transformers builds a model under a process-wide default dtype, and its log level is process-wide too.
_ONE_AT_A_TIME = threading.RLock()


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence transformers' bars, logs and warnings inside a block, unless VGLLM_DEBUG is set; one thread at a time."""
    with _ONE_AT_A_TIME:
        if os.environ.get("VGLLM_DEBUG"):
            yield
            return
        from transformers.utils import logging

        level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            logging.set_verbosity(level)
            if bars:
                logging.enable_progress_bar()
