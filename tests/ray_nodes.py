"""A Ray cluster of several nodes on this machine, each with processes of its own, as `ray start` gives them."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

__all__ = ["HAS_RAY", "needs_ray", "stopped", "two_nodes"]

HAS_RAY = find_spec("ray") is not None
"""The extra `ray`. CI does without it (docs/cluster.md)."""
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="the extra `ray` is not installed (requirements-ray.txt)")


@contextmanager
def two_nodes() -> Iterator[Any]:
    """A cluster of two nodes with two processors each, named as a person would name theirs; more can be added."""
    import ray
    from ray.cluster_utils import Cluster

    before = os.environ.get("RAY_ADDRESS")
    here = {"num_cpus": 2}
    cluster = Cluster(initialize_head=True, head_node_args={**here, "include_dashboard": False})
    try:
        cluster.add_node(**here)
        os.environ["RAY_ADDRESS"] = cluster.address
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
