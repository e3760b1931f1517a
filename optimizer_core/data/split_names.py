"""What people call the three splits."""

from collections.abc import Mapping, Sequence

from mipro_studio.optimizer_core.types import Split

__all__ = ["SPLIT_NAMES"]

SPLIT_NAMES: Mapping[Split, Sequence[str]] = {
    Split.TRAIN: ("train", "training", "trainset"),
    Split.VAL: ("val", "dev", "validation", "valid", "valset", "devset"),
    Split.TEST: ("test", "testset"),
}
