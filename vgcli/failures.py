"""What an exception means to whoever typed the command: what, where and how to fix it, and an exit code."""

import errno

from vgcli_core.errors import OutputError, ResourceError, VgllmError

DONE, BUG, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: stopped by a scheduler, and saved

# What torch says when memory runs out on a device without an exception type of its own.
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")
# What gloo and NCCL say when the process at the other end is gone.
_LOST_WORDS = ("Connection closed by peer", "Connection reset by peer", "Connection refused", "remote process exited")
_LONGEST = 300
_LESS_MEMORY = "fewer frames (--num-frames 8), --dtype bfloat16, a smaller --batch-size, or --device cpu"
_LESS_MEMORY_IN = {
    "eval": "a smaller --batch-size, --dtype bfloat16, sets prepared with fewer frames (--num-frames 8), or --device "
    "cpu; what is answered is kept, and the same command goes on",
    "train": "--set batch.micro=1, --set run.checkpoint_gradients=true, --set run.zero=2 on several GPUs, a recipe "
    "whose name ends in -lora, or sets prepared with fewer frames (--num-frames 8); --dry-run says what fits, part by "
    "part",
}


def explain(problem: Exception, *, command: str = "") -> tuple[VgllmError, int]:
    """Return what to show, and the exit code. `command` chooses the advice where memory is short."""
    if isinstance(problem, VgllmError):
        return problem, BAD_INPUT
    message = " ".join(str(problem).split())
    if isinstance(problem, OSError) and problem.errno == errno.ENOSPC:
        where = problem.filename or "standard output"
        return OutputError("no space is left to write to", where=where, fix="free some space"), BAD_INPUT
    if _is_memory(problem):
        fix = _LESS_MEMORY_IN.get(command, _LESS_MEMORY)
        return ResourceError("out of memory", where=message[:200], fix=fix), BAD_INPUT
    if (
        command in _LESS_MEMORY_IN
        and isinstance(problem, RuntimeError)
        and any(word in message for word in _LOST_WORDS)
    ):
        fix = "look at the other processes' messages; lack of memory ends one without any. The same command goes on"
        return ResourceError("another process of this run has ended", where=message[:120], fix=fix), BAD_INPUT
    if command == "train" and isinstance(problem, RuntimeError) and "DataLoader worker" in message:
        # torch says so from a signal handler, anywhere: the library's own word for it may be interrupted by it.
        fix = "give more memory, or --set data.workers=1; the same command goes on"
        return ResourceError("a process that reads frames was killed", where=message[:120], fix=fix), BAD_INPUT
    shown = message if len(message) <= _LONGEST else message[:_LONGEST] + " ..."
    bug = VgllmError(
        f"this is a bug in vgllm: {type(problem).__name__}: {shown}",
        fix="run again with --debug and report what it prints, with the command and `vgllm --version`",
    )
    return bug, BUG


def _is_memory(problem: Exception) -> bool:
    """Tell memory errors by name and words: importing torch to ask for its type would cost two seconds."""
    if isinstance(problem, MemoryError) or any(kind.__name__ == "OutOfMemoryError" for kind in type(problem).__mro__):
        return True
    return isinstance(problem, RuntimeError) and any(words in str(problem).lower() for words in _MEMORY_WORDS)
