"""Where a store and the files beside it live on disk."""

import os
from pathlib import Path

__all__ = ["STORE_VARIABLE", "default_store", "log_path", "study_path"]

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
