"""Opening the store from a page. A reader belongs to one thread and every script run has its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.storage import Reader, RunSummary, Store, default_store

__all__ = ["kept_of_run", "reading", "require_whole"]

Made = TypeVar("Made")
_KEPT: dict[tuple[str, str, str], Any] = {}
_MOST_KEPT = 64

LARGEST_CELLS = 20_000
"""Of a run that a page holds against its seals: it takes about a tenth of a second. `check-store` looks at any."""


@contextmanager
def reading() -> Iterator[Reader | None]:
    """A reader of the store; None as long as there is no store, which is not an error on a first visit.

    Raises:
        StudioError: there is a file, but it cannot be read.
    """
    path = default_store()
    if not path.exists():
        yield None
        return
    with _up_to_date() as reader:
        yield reader


def _up_to_date() -> Reader:
    try:
        return Reader(default_store())
    except StudioError:
        # A store of an older studio is brought up to date by whoever opens it for writing first.
        Store(default_store()).close()
        return Reader(default_store())


def kept_of_run(reader: Reader, run: RunSummary, name: str, make: Callable[[], Made]) -> Made:
    """What `make` gives, made again only when the run has changed: a page is drawn anew at every press.

    Args:
        name: Of what is made, with all that it depends on beside the run's rows.
    """
    state = (run.id, run.updated_at, run.status, run.trials_done, run.cells_ok, run.cells_error)
    key = (str(reader.path.absolute()), repr(state), name)
    if key not in _KEPT:
        if len(_KEPT) >= _MOST_KEPT:
            _KEPT.clear()
        _KEPT[key] = make()
    made: Made = _KEPT[key]
    return made


def require_whole(reader: Reader, run: RunSummary) -> None:
    """Hold a run against its seals, once in this process for every state it comes to.

    Raises:
        StudioError: it is damaged.
    """
    path = str(reader.path.absolute())
    if run.cells_ok + run.cells_error <= LARGEST_CELLS and (found := _damage_of(path, run.id, run.updated_at)):
        raise found


@lru_cache(256)
def _damage_of(path: str, run_id: str, updated_at: str) -> StudioError | None:
    with Reader(Path(path)) as reader:
        try:
            reader.require_whole(run_id)
        except StudioError as error:
            return error
    return None
