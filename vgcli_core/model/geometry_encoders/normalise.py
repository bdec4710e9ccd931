"""Picture normalisation of the geometry encoders."""

import torch
from torch import Tensor

# ImageNet's. Kept in float32 always: bfloat16 would turn 0.485 into 0.484375.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def imagenet_normalise(frames: Tensor) -> Tensor:
    """Map frames [F, 3, H, W] in [0, 1] to float32 frames with ImageNet's mean and deviation removed."""
    mean = torch.tensor(MEAN, dtype=torch.float32, device=frames.device)[:, None, None]
    std = torch.tensor(STD, dtype=torch.float32, device=frames.device)[:, None, None]
    return (frames.float() - mean) / std
