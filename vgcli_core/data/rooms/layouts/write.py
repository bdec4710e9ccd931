"""Write rooms below a folder of raw files, as the owners of the real datasets lay theirs out.

Rooms of the split train become ScanNet's train scans, those of val its val scans. As in EmbodiedScan, some train scans
are its validation part. One room is in memory at a time but for its pictures and what is known of it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from vgcli_core.atomic import atomic_folder
from vgcli_core.data.base import Request
from vgcli_core.data.rooms.film import Film, film
from vgcli_core.data.rooms.generate import make_room
from vgcli_core.data.rooms.layouts.embodiedscan import write_embodiedscan
from vgcli_core.data.rooms.layouts.marker import remove_made, write_marker
from vgcli_core.data.rooms.layouts.posed_images import write_posed_images
from vgcli_core.data.rooms.layouts.prepared_boxes import write_prepared_boxes
from vgcli_core.data.rooms.layouts.proposals import write_proposals
from vgcli_core.data.rooms.layouts.recording import Recording, record
from vgcli_core.data.rooms.layouts.scannet import write_scannet
from vgcli_core.data.rooms.layouts.scanrefer import write_labels, write_scan_list, write_scanrefer
from vgcli_core.data.rooms.layouts.spar import write_spar
from vgcli_core.data.rooms.layouts.vsi_questions import need_parquet, write_sqa3d, write_vlm3r, write_vsi_bench
from vgcli_core.data.rooms.options import numbers_of, settings_of
from vgcli_core.data.rooms.settings import RoomSettings
from vgcli_core.errors import DataError, lookup

LAYOUTS = (
    *("scannet", "posed_images", "prepared_boxes", "embodiedscan", "scanrefer", "proposals"),
    *("spar", "vsi_bench", "vlm3r", "sqa3d"),
)
"""All layouts. "scannet" has recordings and meshes; posed images and prepared boxes can stand in for them."""

SPLITS = ("train", "val")

_FIRST_SCENE, _LAST_SCENE = 9000, 9999
_VALIDATED_EVERY = 5  # one in so many train scans is in EmbodiedScan's validation part

Filmed = tuple[Film, Recording]


def write_layouts(
    request: Request,
    out: Path,
    layouts: Sequence[str] = LAYOUTS,
    *,
    progress: Callable[[str], None] = lambda scene: None,
    restart: bool = False,
) -> list[Path]:
    """Write the rooms that a request for the dataset "rooms" asks for, as raw files; return the files.

    The same request gives the same bytes. Scenes are called scene9000_00, scene9001_00, ..., train before val. The
    folder appears when all is written.

    Args:
        request: for "rooms": splits (test is left out), scenes, seed and options count.
        out: folder of raw files, to be given to `prepare --raw`; missing or empty, so that no owner's files are mixed
            with rooms.
        layouts: of LAYOUTS.
        progress: is told of each scene that was filmed.
        restart: discard an earlier folder first, if it holds rooms and nothing else (see `marker`).

    Raises:
        VgllmError: a library is missing that a layout needs.
        DataError: more rooms than there are names for, or no room at all.
        UsageError, UnknownName: a setting that no room can have, or a layout that is not known.
        OutputError: the folder is not empty, or cannot be written.
    """
    wanted = {lookup("layout of rooms", {name: name for name in LAYOUTS}, name) for name in layouts}
    if "vsi_bench" in wanted:
        need_parquet()
    settings, numbers = settings_of(request.options), _numbers(request)
    if restart:
        remove_made(out)
    with atomic_folder(out) as folder:
        rooms = _film(request.seed, settings, numbers, progress)
        written = _write(rooms, folder, wanted, request.seed)
        written.append(write_marker(request, [name for name in LAYOUTS if name in wanted], folder))
        return [out / path.relative_to(folder) for path in written]


def parts_of(train: Sequence[Filmed], val: Sequence[Filmed]) -> dict[str, list[Filmed]]:
    """Return the rooms of EmbodiedScan's three parts: two of ScanNet's train scans, one of its val scans."""
    validated = [pair for place, pair in enumerate(train) if place % _VALIDATED_EVERY == _VALIDATED_EVERY - 1]
    validated = validated or list(train[1:][-1:])
    names = {recording.scene for _, recording in validated}
    rest = [pair for pair in train if pair[1].scene not in names]
    return {"train": rest, "val": validated, "test": list(val)}


def _numbers(request: Request) -> dict[str, list[int]]:
    """Return the numbers of each split's rooms."""
    numbers = {split: numbers_of(request, split) if split in request.splits else [] for split in SPLITS}
    total = sum(map(len, numbers.values()))
    if total > _LAST_SCENE - _FIRST_SCENE + 1:
        raise DataError(
            f"more rooms than scenes from {_FIRST_SCENE} to {_LAST_SCENE}", fix="ask for fewer with --scenes"
        )
    if not total:
        raise DataError("no room is asked for", fix="ask for rooms of the splits train and val")
    return numbers


def _film(
    seed: int, settings: RoomSettings, numbers: dict[str, list[int]], progress: Callable[[str], None]
) -> dict[str, list[Filmed]]:
    rooms: dict[str, list[Filmed]] = {split: [] for split in SPLITS}
    scenes = (f"scene{number:04d}_00" for number in range(_FIRST_SCENE, _LAST_SCENE + 1))
    for split in SPLITS:
        for number in numbers[split]:
            scene = next(scenes)
            room = make_room(seed, number, settings)
            rooms[split].append((film(room), record(room, scene, seed)))
            progress(scene)
    return rooms


def _write(rooms: dict[str, list[Filmed]], out: Path, wanted: set[str], seed: int) -> list[Path]:
    written: list[Path] = []
    for split in SPLITS:
        for _, recording in rooms[split]:
            written += _write_scene(recording, split, out, wanted, seed)
    if wanted & {"scannet", "posed_images", "scanrefer"}:
        written.append(write_labels(out))
        written += [write_scan_list(split, [recording.scene for _, recording in rooms[split]], out) for split in SPLITS]
    if "embodiedscan" in wanted:
        written += [
            write_embodiedscan(part, pairs, out) for part, pairs in parts_of(rooms["train"], rooms["val"]).items()
        ]
    for split in SPLITS:
        if "scanrefer" in wanted:
            written += write_scanrefer(split, rooms[split], out, seed)
        if "sqa3d" in wanted:
            # SQA3D's test scans are ScanNet's val scans.
            written += write_sqa3d("test" if split == "val" else split, rooms[split], out)
    if "spar" in wanted:
        written += write_spar(rooms["train"], out, seed)
    if "vlm3r" in wanted:
        written.append(write_vlm3r(rooms["train"], out, seed))
    if "vsi_bench" in wanted:
        written += write_vsi_bench(rooms["val"], out, seed)
    return written


def _write_scene(recording: Recording, split: str, out: Path, wanted: set[str], seed: int) -> list[Path]:
    written: list[Path] = []
    if "scannet" in wanted:
        written += write_scannet(recording, out)
    if "posed_images" in wanted:
        written += write_posed_images(recording, out)
    if "prepared_boxes" in wanted:
        written.append(write_prepared_boxes(recording, split, out))
    if "proposals" in wanted:
        written.append(write_proposals(recording, out, seed))
    return written
