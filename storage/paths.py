"""Where a store and the files beside it live on disk."""

import os
from pathlib import Path
from urllib.parse import quote

__all__ = ["STORE_VARIABLE", "default_store", "log_path", "study_path", "study_url"]

STORE_VARIABLE = "MIPRO_STUDIO_STORE"
"""Environment variable that names the store's file."""


def default_store() -> Path:
    """The store of this working folder, or the one the environment names. Nothing is created."""
    named = os.environ.get(STORE_VARIABLE, "")
    return Path(named).expanduser() if named else Path(".mipro-studio") / "studio.db"


def log_path(store: Path, run_id: str) -> Path:
    """The file that takes the output of a run's worker."""
    return store.parent / "logs" / f"{run_id}.log"


def study_path(store: Path, run_id: str) -> Path:
    """The Optuna study that mirrors a run's trials."""
    return store.parent / "studies" / f"{run_id}.db"


def study_url(study: Path, *, read_only: bool = False) -> str:
    """The address of a study's file for Optuna, whatever stands in the path.

    SQLAlchemy reads what follows a `?` as options and, by version, decodes `%41`, so it writes the address itself;
    Optuna fills in what stands in braces, which the quotes have taken away.
    """
    from sqlalchemy.engine import URL  # takes a tenth of a second, which only those who have a study need wait for

    options = {"uri": "true", **({"mode": "ro"} if read_only else {})}
    address = URL.create("sqlite", database=f"file:{quote(os.fsencode(study.absolute()))}", query=options)
    return address.render_as_string()
