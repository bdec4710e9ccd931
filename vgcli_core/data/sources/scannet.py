"""ScanNet itself: frames of the recordings in the `posed_images` layout, and one line for each scene.

The layout is that of EmbodiedScan's and Video-3D LLM's preprocessing: every tenth frame as JPEG, its pose as text (four
rows of four numbers, `-inf` where tracking was lost), depth as PNG of 16 bits in millimetres where it is asked for, and
the intrinsics of both. The JPEG is the camera's own, byte for byte; the published tool encodes it again.

The sample of a scene holds what is known of the whole of it: all frames that have a pose, their cameras, and as
"detect" the boxes of its objects in the camera of the first one; `info["objects"]` has them in the aligned scan, with
walls and floors. It is there to look things up and to look at. It is not meant for training: it shows far more frames
than a model takes.

Source: formats of ScanNet, section 3.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vgcli_core.data.base import Dataset, Need, Option, Plan, Request, Unit, Work
from vgcli_core.data.raw.frames import POSED_IMAGES, jpeg_of
from vgcli_core.data.raw.reading import reading
from vgcli_core.data.raw.scannet import (
    NOT_ALIGNED,
    RECORDINGS,
    SCENE_FOLDERS,
    SceneObject,
    object_files,
    read_info,
    read_objects,
    scene_file,
)
from vgcli_core.data.raw.sens import Depth, SensFile
from vgcli_core.data.sample import FramedBox, Sample, Turn, human_turn
from vgcli_core.data.scan import Instance, Scan, ScanFrame
from vgcli_core.data.tasks.detection import STRUCTURE
from vgcli_core.data.tasks.posed import boxes_from, camera_to_world, cameras_of, paths_of
from vgcli_core.errors import DataError
from vgcli_core.geometry.boxes import Floats
from vgcli_core.geometry.camera import is_usable
from vgcli_core.text.answer_format import format_detection
from vgcli_core.text.prompts import detect_prompt

NAME = "scannet"
ALL = "all"
LOST = "frames without a pose, in no sample"
NO_OBJECTS = "no annotation of objects: the scene has no boxes"
NO_RECORDING = "scene of the split has no recording"

_PARTS = ("train", "val", "test")
_RECORDINGS = Need(
    "ScanNet's recordings (scannet/scans/<scene>/<scene>.sens); with mesh, segments, groups and <scene>.txt beside "
    "them also boxes",
    RECORDINGS,
    "the ScanNet team",
    "https://kaldir.vc.in.tum.de/scannet/",
    "the ScanNet Terms of Use, signed and sent to scannet@googlegroups.com",
    "1.2 TB for all 1,613 scenes",
    any_of=True,
)


def needs(request: Request) -> list[Need]:
    """Return the recordings, and the lists of scenes of the splits that are asked for by name."""
    return [_RECORDINGS, *(_scene_list(split) for split in request.splits if split != ALL)]


def plan(request: Request) -> Plan:
    """Return one unit for each scene that has a recording; of the recordings only the headers are read."""
    _RECORDINGS.require(request.raw)
    found = _recordings(request.raw)
    units: list[Unit] = []
    drops, counts, inputs = {}, {}, []
    for split in request.splits:
        names: Sequence[str] = list(found)
        if split != ALL:
            path = _scene_list(split).require(request.raw)
            inputs.append(path)
            with reading(path, "names of scenes"):
                names = path.read_text(encoding="utf-8", errors="replace").split()
        wanted = request.wanted(names)[: request.limit]
        missing = sum(scene not in found for scene in wanted)
        drops[split] = {NO_RECORDING: missing} if missing else {}
        counts[split] = {"scenes": len(wanted)}
        units += [Unit(scene, split, None, _forecast(found[scene], request)) for scene in wanted if scene in found]
    return Plan(units, drops, counts, inputs=tuple(inputs))


def build(unit: Unit, request: Request, work: Work) -> Iterator[Sample]:
    """Store the frames of one scene and yield its sample."""
    scene = unit.key
    path = scene_file(request.raw, scene, ".sens")
    if path is None:
        raise DataError(f"the recording of {scene} is gone", where=str(request.raw))
    work.input(path)
    alignment, objects = _annotation(request.raw, scene, work)
    with SensFile(path) as sens:
        frames = tuple(_stored_frames(sens, scene, request, work))
        header = sens.header
    if not frames:
        raise DataError(f"no frame of {scene} has a pose", where=str(path), fix="leave this scene out")
    instances = tuple(Instance(one.label, np.append(one.box, np.zeros(3)), one.id) for one in objects or ())
    scan = Scan(f"scannet/{scene}", frames, header.intrinsics_color, alignment, instances, header.color_size)
    yield _sample(scan, unit.split, request, known=objects is not None)


def check(request: Request) -> None:
    """Refuse options that make no sense."""
    if int(request.options["every"]) < 1:
        raise DataError(f"every {request.options['every']} frames", where="option every", fix="give at least 1")
    if request.num_frames is not None:
        raise DataError("a scene has all its frames", where="--num-frames", fix="choose them by the option every")


DATASET = Dataset(
    name=NAME,
    title="ScanNet: posed frames and boxes of whole scenes",
    splits=(ALL, *_PARTS),
    default_splits=(ALL,),
    needs=needs,
    plan=plan,
    build=build,
    published={"train": {"scenes": 1201}, "val": {"scenes": 312}, "test": {"scenes": 100}},
    options=(
        Option("every", 10, "store every n-th frame of the recording; 10 is what all annotations use"),
        Option("depth", False, "store depth too: PNG of 16 bits, millimetres"),
    ),
    frame_bytes=150_000,
    check=check,
    whole="about 266,000 frames of 1,613 scans, 40 GB (estimate: every tenth frame, 150 kB each)",
)


def _scene_list(split: str) -> Need:
    name = f"scannetv2_{split}.txt"
    return Need(
        f"ScanNet's list of the scenes of {split}",
        (f"scannet/{name}", f"scannet/metadata/{name}", name),
        "the ScanNet team",
        "https://github.com/ScanNet/ScanNet/tree/master/Tasks/Benchmark",
        "nothing: it is in the public repository",
        "20 KB",
    )


def _recordings(raw: Path) -> dict[str, Path]:
    """Return the recordings by scene, sorted."""
    found: dict[str, Path] = {}
    for folder in SCENE_FOLDERS:
        for path in (raw / folder).glob("*/*.sens"):
            if path.stem == path.parent.name:
                found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def _forecast(path: Path, request: Request) -> int:
    try:
        with SensFile(path) as sens:
            return -(-sens.header.num_frames // int(request.options["every"]))
    except DataError:
        return 0  # the scene is built, and then says why it cannot be


def _annotation(raw: Path, scene: str, work: Work) -> tuple[Floats, list[SceneObject] | None]:
    """Return the alignment, and the objects: None where they are not annotated, as in test scenes."""
    files = object_files(raw, scene)
    if files:
        for file in files:
            work.input(file)
        objects, remarks = read_objects(files)
        for remark in remarks:
            work.note(remark)
        return read_info(files[-1]).alignment, objects
    work.note(NO_OBJECTS)
    text = scene_file(raw, scene, ".txt")
    info = None if text is None else read_info(work.input(text))
    if info is None or not info.aligned:
        work.note(NOT_ALIGNED)
    return np.eye(4) if info is None else info.alignment, None


def _stored_frames(sens: SensFile, scene: str, request: Request, work: Work) -> Iterator[ScanFrame]:
    """Store every n-th frame with its pose, and yield those that have one."""
    folder = f"{POSED_IMAGES}/{scene}"
    work.file(f"{folder}/intrinsic.txt", _rows(sens.header.intrinsics_color))
    if request.options["depth"]:
        work.file(f"{folder}/depth_intrinsic.txt", _rows(sens.header.intrinsics_depth))
    for index in range(0, sens.header.num_frames, int(request.options["every"])):
        stem, pose = f"{folder}/{index:05d}", sens.camera_to_world(index)
        work.frame(f"{stem}.jpg", partial(jpeg_of, sens, index))
        work.file(f"{stem}.txt", _rows(pose if np.isfinite(pose).all() else np.full((4, 4), -np.inf)))
        if request.options["depth"]:
            work.frame(f"{stem}.png", partial(_depth_png, sens, index))
        if is_usable(pose):
            yield ScanFrame(f"{stem}.jpg", pose, ())
        else:
            work.count(LOST)


def _depth_png(sens: SensFile, index: int) -> bytes:
    """Return depth as a PNG of 16 bits in millimetres."""
    depth: Depth = sens.depth(index)
    if sens.header.depth_shift != 1000:
        depth = np.round(depth * (1000 / sens.header.depth_shift)).clip(0, 65535).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(depth).save(buffer, "PNG")
    return buffer.getvalue()


def _rows(matrix: Floats) -> bytes:
    return "".join(" ".join(f"{value:f}" for value in row) + "\n" for row in matrix.tolist()).encode()


def _sample(scan: Scan, split: str, request: Request, *, known: bool) -> Sample:
    every = range(len(scan.frames))
    asked = [one for one in scan.instances if one.label not in STRUCTURE]
    rows = np.array([one.box for one in asked], dtype=np.float64).reshape(-1, 9)
    boxes = boxes_from(rows, [one.label for one in asked], camera_to_world(scan, 0))
    turns = [human_turn(detect_prompt(2).text, len(every), separator="\n", newline="\n")]
    if known:
        turns.append(Turn("gpt", format_detection(boxes)))
    return Sample(
        id=scan.scene,
        dataset=NAME,
        split=split,
        scene=scan.scene,
        task="detect",
        frames=paths_of(scan, every),
        conversations=tuple(turns),
        boxes=tuple(FramedBox(box, 0) for box in boxes),
        cameras=None if request.cameras is False else cameras_of(scan, every),
        info=_info(scan),
    )


def _info(scan: Scan) -> Mapping[str, Any]:
    """Return the objects in the aligned scan: centre and size, metres."""
    return {"objects": [{"id": one.id, "label": one.label, "box": one.box[:6].tolist()} for one in scan.instances]}
