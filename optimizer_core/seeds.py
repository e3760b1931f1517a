"""One random generator per concern, all derived from the run's seed, so that adding a draw disturbs no other."""

import hashlib
import random

__all__ = ["derive_seed", "generator"]


def derive_seed(seed: int, *concern: str | int) -> int:
    """A seed in [0, 2**32) that depends on the run's `seed` (0 is a seed) and on every part of `concern`."""
    text = repr((seed, *concern)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest())


def generator(seed: int, *concern: str | int) -> random.Random:
    return random.Random(derive_seed(seed, *concern))
