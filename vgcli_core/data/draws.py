"""Random draws that depend on a seed and a name alone: the same for any number of workers, shards and restarts."""

import hashlib
import random

import numpy as np

REFERENCE_SEED = 42  # the published generators call random.seed(42) once


def generator(seed: int, *names: object) -> random.Random:
    """Return a generator of its own for one sample: names are, for example, dataset, split, id and draw."""
    return random.Random(seed_of(seed, *names))  # noqa: S311 no secrets are drawn


def numpy_generator(seed: int, *names: object) -> np.random.Generator:
    """Return the same for numpy."""
    return np.random.Generator(np.random.PCG64(seed_of(seed, *names)))


def seed_of(seed: int, *names: object) -> int:
    """Return a seed of its own for a name, below 2**128."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:16], "little")
