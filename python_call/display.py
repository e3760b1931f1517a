"""Where a run shows itself while `optimize` waits for it: a notebook's cell, lines of text, or nowhere."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from mipro_studio.commands.following import lines
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.python_call.cell_view import live_html, live_text
from mipro_studio.storage import Reader

__all__ = ["Display", "display_for"]

KINDS = ("auto", "notebook", "text", "none")


class Display(Protocol):
    """Shows a run, again and again."""

    def show(self, store: Path, run_id: str) -> None:
        """Bring the view up to date. Called about twice a second, and once when the run is over."""


class NoDisplay:
    def show(self, store: Path, run_id: str) -> None:
        pass


class LinesDisplay:
    """What happened since the last time, as lines on standard error."""

    def __init__(self) -> None:
        self._lines: Iterator[None] | None = None

    def show(self, store: Path, run_id: str) -> None:
        if self._lines is None:
            print(f"Run {run_id} in {store}; `mipro-studio` shows it.", file=sys.stderr)
            self._lines = lines(Console(stderr=True), store, run_id)
        next(self._lines, None)


class NotebookDisplay:
    """One output of the cell that is replaced; front ends without HTML show its text."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._last: dict[str, str] = {}

    def show(self, store: Path, run_id: str) -> None:
        from IPython.display import display

        with Reader(store) as reader:
            view = {"text/plain": live_text(reader, run_id), "text/html": live_html(reader, run_id)}
        if self._handle is None:
            self._handle = display(view, raw=True, display_id=True)
        elif view != self._last:
            self._handle.update(view, raw=True)
        self._last = view


def display_for(kind: str) -> Display:
    """The view that is asked for.

    Raises:
        BadInput: there is none of this name.
    """
    if kind not in KINDS:
        raise BadInput(f"There is no display {kind!r}.", f"There are: {', '.join(KINDS)}.")
    if kind == "none":
        return NoDisplay()
    if kind == "notebook" or (kind == "auto" and _in_notebook()):
        return NotebookDisplay()
    return LinesDisplay()


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, and not a terminal of IPython."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and hasattr(shell, "kernel")
