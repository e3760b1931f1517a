"""The studio's own optimizer: MIPRO's arms, searched by a model of every cell in a race over the same rows."""

from mipro_studio.optimizer_core.optimizers.mipro import Mipro

__all__ = ["Studio"]


class Studio(Mipro):
    name = "studio"
    summary = (
        "MIPRO's arms, but in a race over the same rows, led by a model of every cell instead of minibatch means."
    )
    defaults = {"search": {"surrogate": "item_response", "schedule": "racing", "lag": 6, "labels": "spread"}}
