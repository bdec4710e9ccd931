"""Pre-training of a geometry encoder: its losses fall."""

import torch

from tests.unit.training.objectives.scenes_of_rooms import example
from vgcli_core.model.geometry_encoders.vggt import VGGT, VGGTConfig
from vgcli_core.training.objectives.geometry import GeometryLoss
from vgcli_core.training.objectives.scene_batch import scene_batch
from vgcli_core.training.recipe import Losses


def test_the_encoder_learns_depth_and_where_patches_are_seen():
    torch.manual_seed(0)
    encoder = VGGT(
        VGGTConfig(img_size=168, embed_dim=48, depth=3, num_heads=3, patch_embed_depth=1, patch_embed_num_heads=3)
    )
    for name, parameter in encoder.named_parameters():
        if name.endswith("gamma"):
            torch.nn.init.ones_(parameter)
        elif parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    loss = GeometryLoss(encoder, Losses(kind="geometry"))
    batch = scene_batch([example(number) for number in (0, 1, 2)], torch.device("cpu"))
    optimizer = torch.optim.AdamW(loss.parameters(), lr=3e-3)
    measured = []
    for _ in range(40):
        loss(batch).backward()
        measured.append(dict(loss.last))
        optimizer.step()
        optimizer.zero_grad()
    assert measured[-1]["depth"] < 0.6 * measured[0]["depth"]
    assert measured[-1]["matched"] > measured[0]["matched"] + 0.5  # added up over three scenes
