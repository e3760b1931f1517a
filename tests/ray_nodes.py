"""A Ray cluster of several nodes on this machine, each with processes of its own, as `ray start` gives them."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from mipro_studio import ROOT

__all__ = ["HAS_RAY", "needs_ray", "stopped", "two_nodes"]

HAS_RAY = find_spec("ray") is not None
"""The extra `ray`. CI does without it (docs/cluster.md)."""
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="the extra `ray` is not installed (requirements-ray.txt)")


@contextmanager
def two_nodes(*, shared: bool = False) -> Iterator[Any]:
    """A cluster of two nodes with two processors each, named as a person would name theirs; more can be added.

    Args:
        shared: The nodes work in this checkout itself, instead of a copy that travels. Nodes of one machine share the
            place where Ray unpacks what travels, and each begins by removing what another unpacked there (2.60): a
            node that is added takes the folder away from rows that run.
    """
    import ray
    from ray.cluster_utils import Cluster

    before = os.environ.get("RAY_ADDRESS")
    here = {"num_cpus": 2}
    cluster = Cluster(initialize_head=True, head_node_args={**here, "include_dashboard": False})
    try:
        os.environ["RAY_ADDRESS"] = cluster.address
        cluster.add_node(**here)
        if shared:
            folder = {"working_dir": f"local://{ROOT}"}
            ray.init(runtime_env=folder, include_dashboard=False, configure_logging=False)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
        os.environ.pop("RAY_ADDRESS", None)
        if before is not None:
            os.environ["RAY_ADDRESS"] = before


@contextmanager
def stopped(node: Any) -> Iterator[None]:
    """The node as a machine without power: its processes say nothing more, and close nothing."""
    pids = list(_with_children(node.all_processes["raylet"][0].process.pid))
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGCONT)


def _with_children(pid: int) -> Iterator[int]:
    yield pid
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            yield from _with_children(int(child))
