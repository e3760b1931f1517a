"""Work in processes, remembered in a file of JSON lines, so that a call that was interrupted goes on."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

__all__ = ["Values", "remembered"]

Values = dict[str, Any]


def remembered(
    work: Callable[..., Values], calls: Mapping[str, tuple[Any, ...]], processes: int, cache: Path | None
) -> dict[str, Values]:
    """`work(*calls[key])` by key; what an earlier call with the same `cache` finished is not done again."""
    done: dict[str, Values] = {}
    if cache is not None and cache.exists():
        found = [json.loads(line) for line in cache.read_text().splitlines()]
        done = {one.pop("key"): one for one in found}
    with ProcessPoolExecutor(processes) as pool:
        running = {pool.submit(work, *said): key for key, said in calls.items() if key not in done}
        for finished in as_completed(running):
            key = running[finished]
            done[key] = finished.result()
            if cache is not None:
                with cache.open("a") as lines:
                    lines.write(json.dumps({"key": key, **done[key]}) + "\n")
    return {key: done[key] for key in calls}
