"""Take a run home from outside its process: its program, the check of it, and the run as a file.

What imports a person's program happens in a process of its own (`control.exports`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mipro_studio import storage
from mipro_studio.control.asking import INSPECT_TIMEOUT_S, TooLate, ask, ask_worker
from mipro_studio.optimizer_core.environment import helper_environment
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.roles import key_variables
from mipro_studio.optimizer_core.secrets import Scrubber
from mipro_studio.storage import Reader

__all__ = ["export", "export_files", "open_replay", "pack", "verify"]

OPEN_TIMEOUT_S = 120.0


def export(store: Path, run_id: str, out: Path, candidate: str = "", *, merged: bool = False) -> list[str]:
    """Write a candidate (the winner if none is named) as a DSPy program, in a process that may import the program.

    Args:
        merged: Write the embedded model with the candidate's tuned weights in it as well.

    Returns:
        The paths of the files that were written.

    Raises:
        BadInput: there is no winner yet, the program cannot be imported any more, or nothing can be merged.
    """
    found = _take_home("merged" if merged else "export", store, run_id, str(out.resolve()), candidate)
    return list(found["written"])


def export_files(store: Path, run_id: str, candidate: str = "") -> dict[str, Any]:
    """A candidate as {candidate, program, snippet, messages}: texts to save, see `takehome.files`.

    Raises:
        BadInput: as `export`.
    """
    return _take_home("files", store, run_id, "", candidate)


def verify(store: Path, run_id: str, k: int, candidate: str = "") -> dict[str, Any]:
    """Ask the exported program and its plain messages on `k` scored examples, see `takehome.verified`.

    Raises:
        BadInput: as `export`; or the model cannot be had.
    """
    return _take_home("verify", store, run_id, str(k), candidate)


def _take_home(what: str, store: Path, run_id: str, argument: str, candidate: str) -> dict[str, Any]:
    with Reader(store) as reader:
        full_id = reader.run(run_id).id
        reader.require_whole(full_id)
        config = reader.config(full_id)
    return ask_worker(
        [what, str(store.resolve()), run_id, argument, candidate],
        config,
        doing="Loading the program",
        limit_s=INSPECT_TIMEOUT_S,
        hint="Ask it on fewer examples.",
    )


def pack(store: Path, run_id: str, out: Path) -> None:
    """Write a run as one file that any studio shows without model, key or program: a replay.

    Keys are blacked out once more, and folders of this machine are cut from the texts.

    Raises:
        StudioError: there is no such run, or it is still working.
    """
    with Reader(store) as reader:
        full_id = reader.run(run_id).id
        config = reader.config(full_id)
        tuned = [Path(str(one.facts.get("tuned") or "")) for one in reader.tunings(full_id)]
    scrubber = Scrubber(key_variables(config))
    of_jobs = {str(one.parent.parent) for one in tuned if one.is_absolute()}
    named = {config.get("base"), str(Path.home()), *of_jobs}
    folders = sorted({f"{folder}/" for folder in named if folder}, key=len)[::-1]

    def scrub(value: Any) -> Any:
        return scrubber.record(_without(folders, value))

    storage.pack(store, full_id, out, scrub)


def _without(folders: Sequence[str], value: Any) -> Any:
    if isinstance(value, str):
        for folder in folders:
            value = "" if value == folder[:-1] else value.replace(folder, "")
        return value
    if isinstance(value, Mapping):
        return {name: _without(folders, item) for name, item in value.items()}
    return [_without(folders, item) for item in value] if isinstance(value, list) else value


def open_replay(store: Path, file: Path, name: str = "") -> str:
    """Take a replay file into the store, to be shown only. Returns the run's id.

    It is read in a process of its own, which may take so much time and memory and no more.

    Args:
        name: What to call the file, when `file` is a copy with another name.

    Raises:
        BadInput: it is not a replay file.
    """
    called = name or file.name
    question = ["commands.helper_server", "open", str(store.absolute()), str(file.absolute()), called]
    try:
        found = ask(question, None, {**helper_environment(), "OPENBLAS_NUM_THREADS": "1"}, OPEN_TIMEOUT_S).told or {}
    except TooLate:
        found = {}
    if "run_id" not in found:
        too_much = f"Reading {called!r} took more time or memory than any replay file should."
        raise BadInput(found.get("error") or too_much, "" if found else "Ask for it to be packed again.")
    return str(found["run_id"])
