"""What holds for every test: nothing is fetched from the network unless a test says so."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import sources

# DSPy fetches a price list over the network on the first priced call otherwise.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "true"
# Tables here are small: a second thread of the linear algebra would only wait, which takes a processor. Before NumPy.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
sources.look_once()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that may take long come early, so that no process is left alone with one of them at the end.

    How long a file may take is what its `timeout` mark says. They wait much for processes of their own,
    so files without one stand between them. (With xdist, `--no-loadscope-reorder` keeps this order.)
    """
    allowed: dict[Path, float] = {}
    for item in items:
        mark = item.get_closest_marker("timeout")
        allowed[item.path] = max(allowed.get(item.path, 0.0), float(mark.args[0]) if mark and mark.args else 0.0)
    long = sorted((path for path, seconds in allowed.items() if seconds), key=lambda path: -allowed[path])
    places = dict(zip(long, spread(len(long), len(allowed) - len(long)), strict=True))
    short = (path for path in allowed if path not in places)
    places |= zip(short, sorted({*range(len(allowed))} - {*places.values()}), strict=True)
    items.sort(key=lambda item: places[item.path])


def spread(long: int, short: int) -> list[int]:
    """Places of the `long` files among all; the last of them comes when three quarters of the `short` have."""
    between = 0.75 * short / max(1, long)
    return [number + int(number * between) for number in range(long)]


def pytest_collection_finish() -> None:
    """The modules loaded by now are never garbage; walking them takes half a second of every full collection.

    What comes after is looked at less often: a test lets go of most of what it made at its end.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(autouse=True)
def dspy_is_nobodys() -> None:
    """DSPy lets only the thread that configured it first do so again, which may have been another test's."""
    of_dspy = sys.modules.get("dspy.dsp.utils.settings")
    if of_dspy is not None:
        of_dspy.config_owner_thread_id = of_dspy.config_owner_async_task = None  # type: ignore[attr-defined]


@pytest.fixture(scope="session", autouse=True)
def forked_processes() -> Iterator[None]:
    """Processes of ours are forked from one that has imported what they need."""
    from tests.fork_server import forked

    with forked():
        yield


@pytest.fixture
def started_processes() -> Iterator[None]:
    """For this test processes of ours are started, as everywhere but in tests."""
    from tests.fork_server import started

    with started():
        yield


@pytest.fixture(scope="session")
def weights() -> Path:
    """The embedded model's weights, fetched once a machine; who asks for them is skipped where they cannot be had."""
    from mipro_studio.optimizer_core.errors import ModelUnavailable
    from mipro_studio.optimizer_core.models.embedded import weights_path

    try:
        return weights_path()
    except ModelUnavailable as error:
        pytest.skip(f"the embedded model's weights cannot be had here: {error}")
