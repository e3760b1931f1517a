"""The part of a traceback that its reader can mend: frames of their own code, by file and line.

What is kept of an error names files by their place below the program's folder, or below Python's own: it reads the
same whichever process, copy of the folder or node of a cluster the error was raised in.
"""

import re
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from mipro_studio import ROOT

__all__ = ["frames_of", "where", "without_folders"]

OURS, THEIRS = "mipro_studio.", "mipro_studio.sample_programs."
LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
SAMPLES = ROOT / "sample_programs"
MOST = 12


def frames_of(error: BaseException, base: Path | None = None) -> tuple[str, ...]:
    """`prog.py, line 12, in forward: return self.read(text=text)` for each frame, the innermost last.

    Frames of the studio are left out. Of libraries only the innermost frame is told, where the error was raised in
    one. An error that was raised while another was handled, or from another, is told by its own frames.

    Args:
        base: Folder that paths are shown relative to.
    """
    found: list[tuple[bool, str]] = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        if _is_ours(frame) or frame.f_code.co_filename.startswith("<frozen importlib"):
            continue
        summary = traceback.FrameSummary(frame.f_code.co_filename, line, frame.f_code.co_name, lookup_line=True)
        code = f": {summary.line}" if summary.line else ""
        path = Path(frame.f_code.co_filename)
        found.append((_is_library(path), f"{_shown(path, base)}, line {line}, in {frame.f_code.co_name}{code}"))
    own = [text for library, text in found if not library][-MOST:]
    if isinstance(error, SyntaxError) and error.filename:
        own.append(f"{_shown(Path(error.filename), base)}, line {error.lineno}: {(error.text or '').strip()}")
    inside = [f"inside {text}" for library, text in found[-1:] if library]
    return (*own, *inside)


def where(frames: tuple[str, ...]) -> str:
    """The innermost frame of one's own without its code, `prog.py, line 12, in forward`; or nothing."""
    own = [text for text in frames if not text.startswith("inside ")]
    return own[-1].split(": ", 1)[0] if own else ""


def _is_ours(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__", ""))
    return name.startswith(OURS) and not name.startswith(THEIRS)


def _is_library(path: Path) -> bool:
    return str(path).startswith(("<frozen", *LIBRARIES))


def without_folders(text: str, base: Path | None = None) -> str:
    """`text` with the paths in it shown as in `frames_of`: `No such file: 'data/x.txt'`."""
    for folder in _folders(base):
        if (name := str(folder)) in text and folder != folder.parent:
            whole = re.compile(rf"(?<![\w./~-]){re.escape(name)}(/|(?![\w-]|\.\w))")
            text = whole.sub(lambda found: "" if found[1] else ".", text)
    return text


def _folders(base: Path | None) -> Iterator[Path]:
    """What paths are shown relative to: the longer path first where one lies in the other."""
    own = (base.absolute(), base.resolve()) if base is not None else ()
    yield from sorted({*own, *map(Path, LIBRARIES), SAMPLES}, key=lambda folder: -len(folder.parts))


def _shown(path: Path, base: Path | None) -> str:
    for folder in _folders(base):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return str(path)
