"""From the words of `vgllm prepare` to the request that the library takes; what contradicts itself is refused here."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vgcli_core.errors import UsageError, lookup

if TYPE_CHECKING:
    from vgcli_core.data.base import Dataset, OptionValue, Request
    from vgcli_core.data.prepare import Shard

# Words of options. The library has the same ones; importing them from there would load numpy (a test compares them).
Mode = Literal["corrected", "reference"]
Frames = Literal["cyclic", "fixed"]


def request_of(
    dataset: "Dataset",
    *,
    raw: Path,
    split: list[str] | None = None,
    scenes: str | None = None,
    limit: int | None = None,
    frames: Frames = "cyclic",
    num_frames: int | None = None,
    mode: Mode = "corrected",
    seed: int = 0,
    cameras: bool | None = None,
    settings: list[str] | None = None,
    with_frames: bool = True,
) -> "Request":
    """Return the request that the options make. Raises UsageError, UnknownName."""
    from vgcli_core.data.base import Request

    if raw.exists() and not raw.is_dir():
        raise UsageError(f"{raw.name} is a file", where=f"--raw {raw}", fix="name the folder of the raw files")
    splits = [name.strip() for names in split or [] for name in names.split(",")]
    for name in splits:
        lookup(f"split of {dataset.name}", dict.fromkeys(dataset.splits), name, where="--split")
    if not dataset.chooses_frames and frames != "cyclic":
        raise UsageError(
            f"{dataset.name} has no choice of frames", where="--frames", fix="leave --frames out: its frames are given"
        )
    if mode == "reference" and dataset.record is None:
        raise UsageError(f"{dataset.name} has no published generator", where="--mode reference", fix="leave --mode out")
    return Request(
        raw,
        tuple(dict.fromkeys(splits)) or dataset.default_splits,
        mode,
        frames,
        num_frames,
        seed,
        scenes_of(scenes),
        limit,
        cameras,
        with_frames,
        options_of(dataset, settings or []),
    )


def scenes_of(text: str | None) -> "frozenset[str] | int | None":
    """Read --scenes: a number, names with commas, or a file with one name a line. Raises UsageError."""
    if text is None:
        return None
    if text.isdecimal():
        if int(text) == 0:
            raise UsageError("--scenes 0 leaves nothing", where="--scenes", fix="give 1 or more, or names")
        return int(text)
    path = Path(text)
    if path.is_file():
        try:
            names = path.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"the file of scenes cannot be read: {error}", where=text, fix="one name a line"
            ) from error
    else:
        names = [name.strip() for name in text.split(",") if name.strip()]
        if len(names) == 1 and ("/" in text or path.suffix in (".txt", ".lst")):
            raise UsageError(f"there is no file {text}", where="--scenes", fix="name a file, or scenes with commas")
    if not names:
        raise UsageError("no scene is named", where=f"--scenes {text}", fix="give a number, names, or a file of names")
    return frozenset(names)


def shard_of(text: str | None) -> "Shard | None":
    """Read --shard: "0/8" is the first of eight. Raises UsageError."""
    from vgcli_core.data.prepare import Shard

    if text is None:
        return None
    number, slash, total = text.partition("/")
    if not (slash and number.isdecimal() and total.isdecimal()):
        raise UsageError(
            f"{text!r} is no shard", where="--shard", fix="give I/N, for example 0/8 to 7/8 for eight machines"
        )
    return Shard(int(number), int(total))


def options_of(dataset: "Dataset", settings: list[str]) -> "dict[str, OptionValue]":
    """Return every option: what --set gives, else what its preset says, else the default.

    Raises:
        UsageError or UnknownName: --set gives what the dataset does not take.
    """
    known = {option.name: option for option in dataset.options}
    values: dict[str, OptionValue] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(
                f"{setting!r} sets nothing", where="--set", fix="give NAME=VALUE, for example --set share=0.03"
            )
        option = lookup(f"option of {dataset.name}", known, name, where=f"--set {setting}")
        value = _value(text, option.default, f"--set {setting}")
        if option.choices and value not in option.choices:
            choices = ", ".join(str(choice) for choice in option.choices)
            raise UsageError(
                f"{text!r} is no choice for {name}", where=f"--set {setting}", fix=f"choose from {choices}"
            )
        values[name] = value
    return dataset.options_with(values)


def _value(text: str, default: "OptionValue", where: str) -> "OptionValue":
    if isinstance(default, bool):
        if text.lower() in ("yes", "true", "1", "on"):
            return True
        if text.lower() in ("no", "false", "0", "off"):
            return False
        raise UsageError(f"{text!r} is neither yes nor no", where=where, fix="give yes or no")
    if isinstance(default, str):
        return text
    try:
        return type(default)(text)
    except ValueError as error:
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise UsageError(f"{text!r} is not {kind}", where=where, fix=f"give {kind}, for example {default}") from error
