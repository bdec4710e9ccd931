"""Several prepared sets as one: which samples are trained on, which are held out, and how long each will be.

Only numbers are kept, a few bytes for each sample; a sample itself is read from its file when it is asked for. What is
drawn depends on the keys of the sets, their files and the seed alone.
"""

import hashlib
import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcli_core.data.draws import numpy_generator
from vgcli_core.data.groups import keys_of_line
from vgcli_core.data.prepared import Prepared, unreadable
from vgcli_core.data.sample import Sample
from vgcli_core.errors import DataError
from vgcli_core.media.images import Pixels

TAGS = ("2d", "3d")
# Tokens of a picture of 518x392 pixels, the usual one; the reference groups by this estimate.
_PICTURE = 252
_COLUMNS = ("offset", "line", "length", "tag", "frames", "beginning")


@dataclass(frozen=True)
class Part:
    """One prepared set of a mixture: its name in the recipe, the set, a split, and what of it is used.

    Attributes:
        key: its name in the recipe.
        prepared: the set.
        split: of the set.
        share: of its samples, after those of other tasks are left out.
        tasks: of its samples that are used; all where it is empty.
    """

    key: str
    prepared: Prepared
    split: str
    share: float = 1.0
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Mixture:
    """N samples of several sets.

    Attributes:
        parts: the sets.
        part: [N] int16 position in `parts`.
        offset: [N] int64 bytes before the sample's line in its file.
        line: [N] int32 number of that line, from 1.
        length: [N] int32 estimate of its tokens (`estimated_length`).
        tag: [N] int8 position in TAGS.
        frames: [N] int32 number of its list of frames: equal for samples of one set that show the same pictures in the
            same order; -1 without any.
        beginning: [N] int32 number of its frames with the text before and between them; -1 without frames.
        counts: for each key of a part what became of its samples: "in the set", "of other tasks", "left by share",
            "held out", "left with their scene" (neither trained on nor held out, since their scene is), "trained on".
    """

    parts: tuple[Part, ...]
    part: NDArray[np.int16]
    offset: NDArray[np.int64]
    line: NDArray[np.int32]
    length: NDArray[np.int32]
    tag: NDArray[np.int8]
    frames: NDArray[np.int32]
    beginning: NDArray[np.int32]
    counts: Mapping[str, Mapping[str, int]]

    def __len__(self) -> int:
        return len(self.offset)

    def sample(self, index: int) -> Sample:
        """Read one sample. Raises DataError."""
        part = self.parts[int(self.part[index])]
        return part.prepared.sample_at(part.split, int(self.offset[index]), where=self.where(index))

    def images(self, index: int) -> list[Pixels]:
        """Return its frames, [H, W, 3] uint8 RGB each, markers drawn. Raises MediaError, DataError."""
        return self.parts[int(self.part[index])].prepared.images(self.sample(index))

    def root(self, index: int) -> Path:
        """Return the folder of the set that the sample is from."""
        return self.parts[int(self.part[index])].prepared.root

    def where(self, index: int) -> str:
        """Return the file and line of a sample, for messages."""
        part = self.parts[int(self.part[index])]
        return f"{part.prepared.path(part.split)}, line {self.line[index]}"

    def firsts(self) -> list[int]:
        """Return the position of the first sample of every list of frames, in order."""
        numbers, positions = np.unique(self.frames, return_index=True)
        found: list[int] = np.sort(positions[numbers >= 0]).tolist()
        return found

    def first_of_each(self) -> "Mixture":
        """Return the first sample of every list of frames; those without frames are left out."""
        chosen = np.zeros(len(self), dtype=bool)
        chosen[self.firsts()] = True
        return self._take(chosen)

    def _take(self, chosen: NDArray[np.bool_]) -> "Mixture":
        return replace(self, **{name: getattr(self, name)[chosen] for name in ("part", *_COLUMNS)})


def mix(parts: Sequence[Part], *, seed: int, hold_out: int = 0) -> tuple[Mixture, Mixture]:
    """Put sets together and hold some samples out; the order of the parts and of their files is kept.

    Args:
        parts: each gives int(share * its samples), drawn by the seed.
        seed: of the recipe.
        hold_out: samples for the second mixture, from each part by its size. Whole scenes are taken from training, in
            all parts alike: a scene's other samples are left out of both. Each part keeps at least one scene.

    Returns:
        The mixture that is trained on, and the one held out.

    Raises:
        DataError: a file is missing or damaged, or nothing of a set is left.
    """
    codes = _Codes({}, {}, {})
    counts: dict[str, dict[str, int]] = {}
    columns: list[_Columns] = []
    for part in parts:
        whole, total = _read(part, codes)
        kept = int(part.share * len(whole.offset))
        if kept == 0:
            of_tasks = f" of {' and '.join(part.tasks)}" if part.tasks else ""
            raise DataError(
                f"{part.share:g} of the {len(whole.offset)} samples{of_tasks} of {part.key} is none",
                where=str(part.prepared.path(part.split)),
                fix="raise its share, or leave the set out",
            )
        chosen = numpy_generator(seed, "share", part.key).choice(len(whole.offset), kept, replace=False)
        columns.append(whole.take(np.sort(chosen)))
        counts[part.key] = {
            "in the set": total,
            "of other tasks": total - len(whole.offset),
            "left by share": len(whole.offset) - kept,
        }
    places = np.repeat(np.arange(len(parts), dtype=np.int16), [len(one.offset) for one in columns])
    scenes = np.concatenate([one.scene for one in columns])
    aside = _scenes_aside(places, scenes, [part.key for part in parts], seed, hold_out)
    held = np.zeros(len(places), dtype=bool)
    for place, (part, quota) in enumerate(zip(parts, _quotas(places, len(parts), hold_out), strict=True)):
        able = np.flatnonzero(aside & (places == place))
        drawn = numpy_generator(seed, "held out", part.key).permutation(able)[:quota]
        held[drawn] = True
        counts[part.key] |= {
            "held out": len(drawn),
            "left with their scene": len(able) - len(drawn),
            "trained on": int((places == place).sum()) - len(able),
        }
    joined = {name: np.concatenate([getattr(one, name) for one in columns]) for name in _COLUMNS}
    whole_mixture = Mixture(parts=tuple(parts), part=places, counts=counts, **joined)
    return whole_mixture._take(~aside), whole_mixture._take(held)


def estimated_length(num_pictures: int, turns: Sequence[Mapping[str, Any]]) -> int:
    """Return about how many tokens a sample has: 252 for each picture, and the words of all turns ({"value": text}).

    Source: the grouping by length of the reference.
    """
    return _PICTURE * num_pictures + sum(len(turn["value"].split()) for turn in turns)


def length_together(lengths: NDArray[np.int32], starts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return about how many tokens rows have, in which samples of the same pictures show them once.

    Args:
        lengths: [N] `estimated_length` of the samples, row by row.
        starts: [R] where each row starts.
    """
    if len(starts) == 0:
        return lengths
    pictures, words = np.divmod(lengths, _PICTURE)
    together: NDArray[np.int32] = _PICTURE * pictures[starts] + np.add.reduceat(words, starts)
    return together


@dataclass(frozen=True, eq=False)
class _Columns:
    """What is kept of the samples of one part; `scene` is the code of a scene's name, the same in all parts."""

    offset: NDArray[np.int64]
    line: NDArray[np.int32]
    length: NDArray[np.int32]
    tag: NDArray[np.int8]
    frames: NDArray[np.int32]
    beginning: NDArray[np.int32]
    scene: NDArray[np.int32]

    def take(self, chosen: NDArray[np.int64]) -> "_Columns":
        return _Columns(**{name: getattr(self, name)[chosen] for name in (*_COLUMNS, "scene")})


class _Codes(NamedTuple):
    """Numbers, as they are met, of scenes by name, and of lists of frames and beginnings of prompts by checksum."""

    scenes: dict[str, int]
    frames: dict[bytes, int]
    beginnings: dict[bytes, int]


def _read(part: Part, codes: _Codes) -> tuple[_Columns, int]:
    """Go once through a part's file; return its samples of the part's tasks, and how many there are in all."""
    path = part.prepared.path(part.split)
    root = str(part.prepared.root)
    offsets, lengths, tags, scenes = array("q"), array("i"), array("b"), array("i")
    frames, beginnings, used = array("i"), array("i"), array("b")
    offset = 0
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                digest.update(line)
                try:
                    row = json.loads(line)
                    lengths.append(estimated_length(len(row["frames"]), row["conversations"]))
                    tags.append(TAGS.index(row.get("tag", "3d")))
                    scenes.append(codes.scenes.setdefault(row["scene"], len(codes.scenes)))
                    used.append(not part.tasks or row["task"] in part.tasks)
                    key, layout = keys_of_line(row)
                    frames.append(_number(codes.frames, (root, key)) if row["frames"] else -1)
                    beginnings.append(_number(codes.beginnings, (root, key, layout)) if row["frames"] else -1)
                except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
                    cut = not line.endswith(b"\n")
                    raise DataError(
                        "the file ends in the middle of a line" if cut else f"no sample: {line[:60]!r}",
                        where=f"{path}, line {number}",
                        fix="prepare the set again, or copy all of it again",
                    ) from error
                offsets.append(offset)
                offset += len(line)
    except OSError as error:
        raise unreadable(path, error) from error
    _check_whole(part, len(offsets), digest.hexdigest())
    columns = _Columns(
        np.array(offsets, dtype=np.int64),
        np.arange(1, len(offsets) + 1, dtype=np.int32),
        np.array(lengths, dtype=np.int32),
        np.array(tags, dtype=np.int8),
        np.array(frames, dtype=np.int32),
        np.array(beginnings, dtype=np.int32),
        np.array(scenes, dtype=np.int32),
    )
    return columns.take(np.flatnonzero(np.array(used, dtype=bool))), len(offsets)


def _number(known: dict[bytes, int], key: object) -> int:
    """Return the number of a key; what is kept is a checksum, since a list of frames takes kilobytes."""
    checksum = hashlib.blake2b(repr(key).encode(errors="surrogatepass"), digest_size=16).digest()
    return known.setdefault(checksum, len(known))


def _check_whole(part: Part, count: int, sha256: str) -> None:
    """Compare a file with what the manifest says of it. Raises DataError."""
    facts = part.prepared.manifest["splits"][part.split]
    expected = facts.get("samples", count)
    what = ""
    if count != expected:
        what = f"it has {count} samples, the manifest says {expected}"
    elif facts.get("sha256", sha256) != sha256:
        what = "it was changed since it was prepared: its checksum is not that of the manifest"
    elif count == 0:
        what = "it holds no samples"
    if what:
        raise DataError(
            what, where=str(part.prepared.path(part.split)), fix="prepare the set again, or copy all of it again"
        )


def _quotas(places: NDArray[np.int16], num_parts: int, hold_out: int) -> list[int]:
    """Share `hold_out` among the parts by their sizes; the largest remainders are rounded up."""
    wanted = hold_out * np.bincount(places, minlength=num_parts) / len(places)
    quotas = np.floor(wanted).astype(int)
    up = np.argsort(quotas - wanted, kind="stable")[: hold_out - quotas.sum()]
    quotas[up] += 1
    found: list[int] = quotas.tolist()
    return found


def _scenes_aside(
    places: NDArray[np.int16], scenes: NDArray[np.int32], keys: Sequence[str], seed: int, hold_out: int
) -> NDArray[np.bool_]:
    """Return [N], true for the samples whose scene is not trained on."""
    aside = np.zeros(len(scenes), dtype=bool)
    taken: set[int] = set()
    of_part = [np.unique(scenes[places == place]) for place in range(len(keys))]
    left = [len(found) for found in of_part]
    for place, (key, quota) in enumerate(zip(keys, _quotas(places, len(keys), hold_out), strict=True)):
        mine = places == place
        for scene in numpy_generator(seed, "scenes", key).permutation(of_part[place]).tolist():
            if int(aside[mine].sum()) >= quota:
                break
            in_parts = [other for other, found in enumerate(of_part) if scene in found]
            if scene in taken or any(left[other] == 1 for other in in_parts):
                continue
            taken.add(scene)
            aside |= scenes == scene
            for other in in_parts:
                left[other] -= 1
    return aside
