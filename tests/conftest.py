"""What holds for every test: nothing is fetched from the network unless a test says so."""

import gc
import os
from pathlib import Path

import pytest

# DSPy fetches a price list over the network on the first priced call otherwise.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "true"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that may take long come first, so that no process is left alone with one of them at the end.

    How long a file may take is what its `timeout` mark says. (With xdist, `--no-loadscope-reorder` keeps this order.)
    """
    allowed: dict[Path, float] = {}
    for item in items:
        mark = item.get_closest_marker("timeout")
        allowed[item.path] = max(allowed.get(item.path, 0.0), float(mark.args[0]) if mark and mark.args else 0.0)
    items.sort(key=lambda item: -allowed[item.path])


def pytest_collection_finish() -> None:
    """The modules loaded by now are never garbage; walking them takes half a second of every full collection.

    What comes after is looked at less often: a test lets go of most of what it made at its end.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(scope="session")
def weights() -> Path:
    """The embedded model's weights, fetched once a machine; who asks for them is skipped where they cannot be had."""
    from mipro_studio.optimizer_core.errors import ModelUnavailable
    from mipro_studio.optimizer_core.models.embedded import weights_path

    try:
        return weights_path()
    except ModelUnavailable as error:
        pytest.skip(f"the embedded model's weights cannot be had here: {error}")
