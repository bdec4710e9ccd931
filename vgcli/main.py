"""The app `vgllm`: global options, and the boundary where an exception becomes a message and an exit code.

Nothing here or in the modules it imports loads torch, numpy or transformers: a command does that when it runs.
"""

import errno
import os
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vgcli import display, interrupts
from vgcli.eval import EPILOG as EVAL_EPILOG
from vgcli.eval import evaluate
from vgcli.export import EPILOG as EXPORT_EPILOG
from vgcli.export import export
from vgcli.failures import DONE, INTERRUPTED, explain
from vgcli.predict import EPILOG as PREDICT_EPILOG
from vgcli.predict import predict
from vgcli.prepare import EPILOG as PREPARE_EPILOG
from vgcli.prepare import prepare
from vgcli.train import EPILOG as TRAIN_EPILOG
from vgcli.train import WORDS, train
from vgcli_core.version import __version__

_EPILOG = """
[bold]Examples[/]

vgllm predict video.mp4 "where is the sink?"

vgllm predict video.mp4 "how many chairs are there?" --json > answer.json

vgllm eval vsi_bench --predictions predictions.jsonl

vgllm prepare rooms --scenes 20

vgllm train --recipe toy

vgllm export runs/toy/model --out exports/toy

[bold]Exit codes[/]

0  done

1  a bug in vgllm: run again with --debug and report it

2  bad input or usage: the message says what, where and how to fix it

3  done but for damaged input, which was left out and is listed

75  stopped by a scheduler, and saved: run the same command again

130  interrupted with Ctrl-C
"""


class Boundary(TyperGroup):
    """The group of all commands: whatever escapes a command is shown here, once, and becomes an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let --debug stand anywhere before `--`: people append it, as the message about a bug invites them to."""
        end = args.index("--") if "--" in args else len(args)
        if "--debug" in args[:end]:
            args = ["--debug", *(word for word in args[:end] if word != "--debug"), *args[end:]]
        ctx.meta[WORDS] = tuple(args)  # for a command that starts itself in other processes
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that `ctx` names."""
        try:
            value = super().invoke(ctx)
            sys.stdout.flush()
            return value
        except (typer.Exit, typer.Abort):
            raise
        except BrokenPipeError:
            display.close_stdout()
            raise typer.Exit(DONE) from None
        except KeyboardInterrupt:
            display.interrupted()
            raise typer.Exit(INTERRUPTED) from None
        except Exception as problem:
            if isinstance(problem, typer.BadParameter.__bases__):  # a usage error: typer shows it, with exit code 2
                raise
            command = ctx.invoked_subcommand or ""
            raise typer.Exit(_report(problem, debug=bool(ctx.params.get("debug")), command=command)) from None


app = typer.Typer(
    cls=Boundary,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("prepare", epilog=PREPARE_EPILOG, no_args_is_help=True)(prepare)
app.command("train", epilog=TRAIN_EPILOG, no_args_is_help=True)(train)
app.command("predict", epilog=PREDICT_EPILOG, no_args_is_help=True)(predict)
app.command("eval", epilog=EVAL_EPILOG, no_args_is_help=True)(evaluate)
app.command("export", epilog=EXPORT_EPILOG, no_args_is_help=True)(export)


def _show_version(wanted: bool) -> None:
    if wanted:
        display.line(f"vgllm {__version__}")
        raise typer.Exit(DONE)


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks, and the warnings of libraries that are otherwise hidden.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """VG-LLM: ask a plain video about 3D space, and get answers, captions and oriented 3D boxes."""
    if not debug:
        _quieten()


def main() -> None:
    """Run the command line."""
    # Threads that wait for work must not spin: on a busy CPU that makes torch fifty times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    display.prepare_streams()
    try:
        interrupts.install()
        # Windows leaves globs to the program; ours are read by the library, as one source.
        app(prog_name="vgllm", windows_expand_args=False)
    except KeyboardInterrupt:
        display.interrupted()
        sys.exit(INTERRUPTED)


def _report(problem: Exception, *, debug: bool, command: str) -> int:
    """Show `problem` and return the exit code it stands for."""
    if debug:
        display.traceback(problem)
    shown, code = explain(problem, command=command)
    display.error(shown)
    if isinstance(problem, OSError) and problem.errno == errno.ENOSPC:
        display.close_stdout()
    return code


def _quieten() -> None:
    """Hide what libraries say to developers. The user's own `-W`, PYTHONWARNINGS and verbosity settings win."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
