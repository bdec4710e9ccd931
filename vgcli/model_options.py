"""The options that say which model answers and how it runs, the same for every command that loads one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from vgcli_core.text.prompts import PromptRevision

# Words of options. The library has the same ones; importing them from there would load numpy (a test compares them).
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Attention = Literal["auto", "sdpa", "flash", "eager"]
Euler = Literal["ZXY", "zxy"]
Revision = Literal["1", "2"]

REVISIONS: "dict[Revision, PromptRevision]" = {"1": 1, "2": 2}
PANEL = "Model and machine"

GeometryOption = Annotated[
    Path | None,
    typer.Option(help="VGGT-1B folder, for a plain Qwen2.5-VL, or a compact --model.", rich_help_panel=PANEL),
]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Use only what is on this disk.", rich_help_panel=PANEL)]
DeviceOption = Annotated[
    str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel=PANEL)
]
DeviceMapOption = Annotated[
    str | None, typer.Option(help="Spread over devices, for example auto.", rich_help_panel=PANEL)
]
DtypeOption = Annotated[Dtype, typer.Option(help="Number format of the weights.", rich_help_panel=PANEL)]
AttentionOption = Annotated[Attention, typer.Option(help="auto: flash if installed, else sdpa.", rich_help_panel=PANEL)]
RevisionOption = Annotated[
    Revision | None,
    typer.Option(
        help="Wording the weights were trained on: 2 since 27 November 2025, 1 before.", rich_help_panel=PANEL
    ),
]
