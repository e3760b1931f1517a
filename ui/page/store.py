"""Opening the store from a page. A reader belongs to one thread and every script run has its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.storage import Reader, Store, default_store

__all__ = ["reading"]


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
