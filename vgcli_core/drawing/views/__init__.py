"""Files that show a scene, chosen by their ending: VIEWS; a new format is a writer and a line here."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile

from vgcli_core.atomic import output_errors
from vgcli_core.drawing.scene import Scene
from vgcli_core.drawing.views.gltf import write_glb
from vgcli_core.drawing.views.pictures import write_mp4, write_picture
from vgcli_core.drawing.views.ply import write_ply
from vgcli_core.drawing.views.rerun import write_rrd
from vgcli_core.drawing.views.scene_json import write_json
from vgcli_core.errors import OutputError, ResourceError, UnknownName, lookup


@dataclass(frozen=True, slots=True)
class View:
    """A format.

    Attributes:
        write: takes a scene and the path that the user named, and returns what it wrote; raises OutputError.
        module: of a package that it needs and the base install lacks; empty for none.
        package: its name for pip.
        flat: it shows what a camera sees, and no box that is out of view.
    """

    write: Callable[[Scene, Path], tuple[Path, ...]]
    module: str = ""
    package: str = ""
    flat: bool = False


VIEWS: dict[str, View] = {
    ".glb": View(write_glb),
    ".jpeg": View(write_picture, flat=True),
    ".jpg": View(write_picture, flat=True),
    ".json": View(write_json),
    ".mp4": View(write_mp4, flat=True),
    ".ply": View(write_ply),
    ".png": View(write_picture, flat=True),
    ".rrd": View(write_rrd, "rerun", "rerun-sdk"),
}


def check_view(path: Path, *, where: str = "--view") -> View:
    """Return the format of a file, by its ending, after making sure that it can be written here.

    Raises:
        UnknownName: no format has this ending, or there is none.
        OutputError: the path is a folder, or lies in one that cannot be written.
        ResourceError: the package that the format needs is missing.
    """
    given, known = f"{where} {path}", ", ".join(VIEWS)
    if path.is_dir():
        raise OutputError(f"{path} is a folder", where=where, fix=f"name a file in it, such as {path / 'scene.glb'}")
    if not path.suffix:
        raise UnknownName(f"{path.name} has no ending that tells its format", where=given, fix=f"known: {known}")
    view = lookup("kind of view", VIEWS, path.suffix.lower(), where=given)
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise OutputError(f"{folder} is a file, not a folder", where=given, fix="choose another folder")
    with output_errors(path), TemporaryFile(dir=folder):  # asking for permissions would not tell on every system
        pass
    if view.module and find_spec(view.module) is None:
        raise ResourceError(
            f"{path.suffix} files need the package {view.package}, which is not installed",
            where=given,
            fix=f'pip install "vgllm[viz]", or choose another ending: {known}',
        )
    return view
