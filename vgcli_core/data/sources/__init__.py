"""All datasets, by name. To add one, write a file in this folder and add a line here."""

from vgcli_core.data.base import Dataset
from vgcli_core.data.sources import (
    blink,
    cv_bench,
    llava_hound,
    nextqa,
    published_file,
    rooms,
    scan2cap,
    scannet,
    scannet_det,
    scanrefer,
    spar,
    sqa3d,
    tempcompass,
    video_mme,
    vlm3r,
    vsi_bench,
)
from vgcli_core.errors import lookup

DATASETS: dict[str, Dataset] = {
    "blink": blink.DATASET,
    "cv_bench": cv_bench.DATASET,
    "llava_hound": llava_hound.DATASET,
    "nextqa": nextqa.DATASET,
    "published": published_file.DATASET,
    "rooms": rooms.DATASET,
    "scan2cap": scan2cap.DATASET,
    "scannet": scannet.DATASET,
    "scannet_det": scannet_det.DATASET,
    "scanrefer": scanrefer.DATASET,
    "spar": spar.DATASET,
    "sqa3d": sqa3d.DATASET,
    "tempcompass": tempcompass.DATASET,
    "video_mme": video_mme.DATASET,
    "vlm3r": vlm3r.DATASET,
    "vsi_bench": vsi_bench.DATASET,
}


def get_dataset(name: str) -> Dataset:
    """Return the dataset called `name`. Raises UnknownName with the nearest one."""
    return lookup("dataset", DATASETS, name)
