"""Where a store and the files beside it live on disk."""

import os
import re
from pathlib import Path
from urllib.parse import quote

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.storage.team import is_team_address, password_put_away, team_file

__all__ = [
    "STORE_VARIABLE",
    "default_store",
    "files_of",
    "is_run_id",
    "log_path",
    "pulse_path",
    "store_at",
    "study_path",
    "study_url",
    "tunings_folder",
]

_RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")

STORE_VARIABLE = "MIPRO_STUDIO_STORE"
"""Environment variable that names the store: a file, or a team's by its URL."""

FOLDER = Path(".mipro-studio")
"""What a working folder keeps of the studio."""


def default_store() -> Path:
    """The store of this working folder, or the one the environment names. No store is created."""
    named = os.environ.get(STORE_VARIABLE, "")
    return store_at(password_put_away(STORE_VARIABLE) if named else str(FOLDER / "studio.db"))


def store_at(named: str) -> Path:
    """The store that a person names, a file's path or a URL `postgresql://...`.

    Everything passes a store on as a path: of a team's store it is a small file that holds the URL.

    Raises:
        BadInput: the URL holds a password.
    """
    return team_file(named, FOLDER) if is_team_address(named) else Path(named).expanduser()


def is_run_id(text: object) -> bool:
    """Whether `text` may be a run's id: files are named by it, so it is ASCII letters, digits, `-` and `_` only."""
    return isinstance(text, str) and _RUN_ID.fullmatch(text) is not None


def log_path(store: Path, run_id: str) -> Path:
    """The file that takes the output of a run's worker.

    Raises:
        StudioError: the id could name a file elsewhere.
    """
    return _beside(store, "logs", run_id, ".log")


def pulse_path(store: Path, run_id: str) -> Path:
    """The file in which a run's worker says what it waits for, see `pulse`.

    Raises:
        StudioError: the id could name a file elsewhere.
    """
    return _beside(store, "logs", run_id, ".pulse")


def study_path(store: Path, run_id: str) -> Path:
    """The Optuna study that mirrors a run's trials.

    Raises:
        StudioError: the id could name a file elsewhere.
    """
    return _beside(store, "studies", run_id, ".db")


def files_of(store: Path, run_id: str) -> list[Path]:
    """All files beside the store that may belong to a run; none for an id that could name a file elsewhere."""
    if not is_run_id(run_id):
        return []  # it came in through an older studio
    study = study_path(store, run_id)
    beside = [study.with_name(study.name + end) for end in ("", "-wal", "-shm", "-journal")]
    return [log_path(store, run_id), pulse_path(store, run_id), *beside]


def tunings_folder(store: Path, run_id: str) -> Path:
    """The folder in which a run tunes the embedded model's weights, and keeps them: a folder a job.

    Raises:
        StudioError: the id could name a folder elsewhere.
    """
    return _beside(store.absolute(), "tunings", run_id, "")


def _beside(store: Path, folder: str, run_id: str, ending: str) -> Path:
    if not is_run_id(run_id):
        raise StudioError(f"{run_id[:80]!r} is not the id of a run.", "Delete that run: it was not made by a studio.")
    return store.parent / folder / f"{run_id}{ending}"


def study_url(study: Path, *, read_only: bool = False) -> str:
    """The address of a study's file for Optuna, whatever stands in the path.

    SQLAlchemy reads what follows a `?` as options and, by version, decodes `%41`, so it writes the address itself;
    Optuna fills in what stands in braces, which the quotes have taken away.
    """
    from sqlalchemy.engine import URL  # takes a tenth of a second, which only those who have a study need wait for

    options = {"uri": "true", **({"mode": "ro"} if read_only else {})}
    address = URL.create("sqlite", database=f"file:{quote(os.fsencode(study.absolute()))}", query=options)
    return address.render_as_string()
