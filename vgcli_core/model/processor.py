"""The one path from frames and text to what the model reads, for training, evaluation and prediction.

A prompt is ChatML: a system turn, then the user's frames (each `<|vision_start|>`, placeholders, `<|vision_end|>`, with
"Frame-i: " before it where the task wants it), then the user's text. Frames are always sent as pictures, never as
Qwen's video token. Everything up to the last frame is the prefix that questions of one layout share.

Source: prompt assembly of arXiv 2505.24625's published training and evaluation code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vgcli_core.errors import CheckpointError, FusionError
from vgcli_core.media.frames import Frames
from vgcli_core.model.pixels import MERGE, Fit, Pixels, prepare_pixels
from vgcli_core.model.positions import batch_positions
from vgcli_core.model.vgllm import ModelInputs

SYSTEM = "You are a helpful assistant."
IGNORE = -100
# <|im_start|>, the role and a newline: not learnt in training.
_HEADER_TOKENS = 3
_SPECIAL = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")


@dataclass(frozen=True, slots=True)
class Encoded:
    """One sample's ids [L] and labels [L] (-100 where nothing is learnt), before padding."""

    input_ids: Tensor
    labels: Tensor


class Processor:
    """Holds a tokenizer and the model's frame width; keeps no other state."""

    def __init__(self, tokenizer: Any, *, frame_width: int = 518) -> None:
        self.tokenizer = tokenizer
        self.frame_width = frame_width
        known = tokenizer.get_vocab()
        missing = [name for name in _SPECIAL if name not in known]
        if missing:
            raise CheckpointError(
                f"the tokenizer lacks {', '.join(missing)}", fix="use the tokenizer files that came with the checkpoint"
            )
        self.ids = {name: int(known[name]) for name in _SPECIAL}
        self.pad_id = int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id)

    def pixels(self, frames: Frames, *, fit: Fit = "crop") -> Pixels:
        """Return the tensors of both encoders for a user's frames. Raises MediaError."""
        return prepare_pixels(frames.images, width=self.frame_width, fit=fit, where=frames.source)

    def prefix(self, grid_thw: Tensor, *, frame_names: bool, system: str = SYSTEM) -> list[int]:
        """Return the ids up to and including the last frame."""
        names = [f"Frame-{index}: " if frame_names else "" for index in range(len(grid_thw))]
        return self.interleaved(names, grid_thw, system=system)

    def interleaved(self, before: Sequence[str], grid_thw: Tensor, *, system: str = SYSTEM) -> list[int]:
        """Return the ids up to and including the last frame, with a text of its own, or "", before each."""
        ids = [*self._open("system"), *self.text(system), *self._close(), *self._open("user")]
        for text, grid in zip(before, grid_thw, strict=True):
            ids += [*(self.text(text) if text else ()), *self._picture(grid)]
        return ids

    def question(self, text: str) -> list[int]:
        """Return the ids after the last frame: the text, then the opening of the answer.

        Markup of special tokens inside `text` stays plain text: a question cannot end its own turn.
        """
        return [*self.text(text), *self._close(), *self._open("assistant")]

    def prompt(self, text: str, grid_thw: Tensor, *, frame_names: bool = False) -> list[int]:
        """Return a whole prompt. Without frames the text follows the user header directly, as one piece."""
        if len(grid_thw) == 0:
            head = [*self._open("system"), *self.text(SYSTEM), *self._close(), self.ids["<|im_start|>"]]
            return [*head, *self.text(f"user\n{text}"), *self._close(), *self._open("assistant")]
        return [*self.prefix(grid_thw, frame_names=frame_names), *self.question(text)]

    def conversation(self, turns: Sequence[Mapping[str, str]], grid_thw: Tensor) -> Encoded:
        """Return ids and labels of a training conversation in the annotation files' form.

        Args:
            turns: `{"from": "human" | "gpt", "value": text}`; `<image>` in a human turn stands for the next frame.
                In the first turn one newline after each `<image>` is dropped. A first turn of "gpt" is dropped.
            grid_thw: [F, 3] of the frames, in order.

        Raises:
            FusionError: the text has more or fewer `<image>` marks than there are frames.
        """
        texts = [(turn["from"], turn["value"]) for turn in turns]
        texts[0] = (texts[0][0], texts[0][1].replace("<image>\n", "<image>"))
        if texts[0][0] == "gpt":
            texts = texts[1:]
        ids = self._turn("system", SYSTEM)
        labels = [IGNORE] * len(ids)
        grids = list(grid_thw)
        for speaker, text in texts:
            role = {"human": "user", "gpt": "assistant"}[speaker]
            if role == "user":
                text = self._expand(text, grids)  # noqa: PLW2901  the marked text is not needed again
            turn = self._turn(role, text)
            ids += turn
            learnt = turn if role == "assistant" else [IGNORE] * len(turn)
            labels += [IGNORE] * _HEADER_TOKENS + learnt[_HEADER_TOKENS:]
        if grids:
            raise FusionError(f"{len(grids)} frames have no <image> in the text", fix="write one <image> per frame")
        return Encoded(torch.tensor(ids), torch.tensor(labels))

    def batch(self, samples: Sequence[Encoded], pixels: Sequence[Pixels | None], *, left: bool = False) -> ModelInputs:
        """Pad samples to one length, on the right (training) or the left (generation); `pixels` is None for text."""
        grids = [torch.empty(0, 3, dtype=torch.long) if p is None else p.grid_thw for p in pixels]
        seen = [p for p in pixels if p is not None]
        return replace(
            self.rows(samples, grids, left=left),
            pixel_values=torch.cat([p.pixel_values for p in seen]) if seen else None,
            geometry_frames=[torch.empty(0, 3, 0, 0) if p is None else p.geometry_frames for p in pixels],
        )

    def rows(self, samples: Sequence[Encoded], grids: Sequence[Tensor], *, left: bool = False) -> ModelInputs:
        """Do as `batch` without the pictures: their grids [F, 3] are enough, of which text has none."""
        length = max(len(sample.input_ids) for sample in samples)
        ids = torch.full((len(samples), length), self.pad_id)
        labels = torch.full((len(samples), length), IGNORE)
        mask = torch.zeros(len(samples), length, dtype=torch.long)
        for row, sample in enumerate(samples):
            size = len(sample.input_ids)
            place = slice(length - size, length) if left else slice(0, size)
            ids[row, place], labels[row, place], mask[row, place] = sample.input_ids, sample.labels, 1
        return ModelInputs(
            input_ids=ids,
            attention_mask=mask,
            position_ids=batch_positions(list(zip(ids, grids, strict=True)), mask, self.ids["<|image_pad|>"]),
            grid_thw=torch.cat(list(grids)) if any(map(len, grids)) else None,
            labels=labels,
        )

    def text(self, text: str, *, markup: bool = False) -> list[int]:
        """Return the ids of plain text; with `markup`, special tokens written in it are read as such."""
        return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=not markup)["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of generated ids, without special tokens and without surrounding blanks at the end."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def tokens_of(self, grid: Tensor) -> int:
        """Return how many image tokens a frame takes."""
        return int(grid.prod()) // MERGE**2

    def _picture(self, grid: Tensor) -> list[int]:
        pads = [self.ids["<|image_pad|>"]] * self.tokens_of(grid)
        return [self.ids["<|vision_start|>"], *pads, self.ids["<|vision_end|>"]]

    def _expand(self, text: str, grids: list[Tensor]) -> str:
        pieces = text.split("<image>")
        if len(pieces) - 1 > len(grids):
            raise FusionError(
                f"the text has {len(pieces) - 1} <image> marks and {len(grids)} frames are left",
                fix="write one <image> per frame",
            )
        marked = pieces[0]
        for piece in pieces[1:]:
            marked += "<|vision_start|>" + "<|image_pad|>" * self.tokens_of(grids.pop(0)) + "<|vision_end|>" + piece
        return marked

    def _turn(self, role: str, text: str) -> list[int]:
        # Training reads markup inside annotations as control tokens: kept, since the published data is read so.
        return self.text(f"<|im_start|>{role}\n{text}<|im_end|>\n", markup=True)

    def _open(self, role: str) -> list[int]:
        return [self.ids["<|im_start|>"], *self.text(f"{role}\n")]

    def _close(self) -> list[int]:
        return [self.ids["<|im_end|>"], *self.text("\n")]
