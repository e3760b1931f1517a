"""What works beside a worker: the process that keeps its log, and the one that keeps its Optuna study."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from mipro_studio import command
from mipro_studio.control.family import adopt_orphans
from mipro_studio.control.supervisor import KEYS_VARIABLE, LIFE_VARIABLE
from mipro_studio.optimizer_core.environment import helper_environment, keeper_environment
from mipro_studio.optimizer_core.secrets import tell_learned
from mipro_studio.storage.team import VARIABLES as TEAM_VARIABLES

__all__ = ["Keeper", "Mirror", "worker_name"]

MIRROR_WAIT_S, MIRROR_HURRY_S = 20.0, 1.0
MIRROR_NICENESS = 10
"""It takes the processors that the run leaves: Optuna's import alone is a second of one."""


def worker_name() -> str:
    """A name for one life of a worker; begins with its process id."""
    return f"{os.getpid()}-{secrets.token_hex(4)}"


class Keeper:
    """The process that writes this process's log (`control/supervisor.py`).

    All that is written to standard output and error goes through it from now on, by whomever in this process and its
    children, and it ends the children that are left when this process is gone.

    Args:
        store, run_id: The run that this process works on.
        life: This worker's name.
        variables: Names of the environment variables that hold the run's keys.
    """

    def __init__(self, store: Path, run_id: str, life: str, variables: Collection[str]) -> None:
        self._command = command("control.supervisor", str(os.getpid()), life, str(store), run_id, *sorted(variables))
        self._log = os.dup(1)
        with suppress(OSError):
            # A worker that finds the disk full can still say so: what follows has room in the same block.
            os.write(self._log, f"[{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC] Worker {life} begins.\n".encode())
        self._environment = keeper_environment(*variables)
        os.environ[LIFE_VARIABLE] = life
        adopt_orphans()
        self._learned: list[str] = []
        self._process = self._start()
        tell_learned(self._tell)

    def _start(self) -> "subprocess.Popen[bytes]":
        read, write = os.pipe()
        keys, self._keys = os.pipe()
        process = subprocess.Popen(
            self._command,
            stdin=read,
            stdout=self._log,
            stderr=subprocess.DEVNULL,
            env={**self._environment, KEYS_VARIABLE: str(keys)},
            pass_fds=(keys,),
            start_new_session=True,
        )
        os.close(keys)
        for learned in self._learned:
            self._write(learned)
        os.dup2(write, 1)
        os.dup2(write, 2)
        os.close(read)
        os.close(write)
        _look_again()
        return process

    def tend(self) -> None:
        """Start it again when something has ended it: a program that prints must not fail for that."""
        if self._process.poll() is not None:
            os.close(self._keys)
            self._process = self._start()

    def _tell(self, key: str) -> None:
        """A key that stands in the program's code: before anything can print it."""
        self._learned.append(key)
        self._write(key)

    def _write(self, key: str) -> None:
        with suppress(OSError):  # it has ended: its successor is told
            os.write(self._keys, json.dumps(key).encode() + b"\n")


def _look_again() -> None:
    """Make standard output and error anew: they took themselves for the file that they were, and a program that
    wraps them (`io.TextIOWrapper(sys.stdout.buffer)`) would be told that a pipe cannot be sought in."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        if old is not getattr(sys, f"__{name}__"):
            continue
        old.flush()
        made = open(  # noqa: SIM115 - as long as the process
            descriptor, "w", encoding=old.encoding, errors=old.errors, buffering=1, closefd=False
        )
        setattr(sys, name, made)
        setattr(sys, f"__{name}__", made)


class Mirror:
    """The process that keeps the run's Optuna study (`control/optuna_sync.py`)."""

    def __init__(self, store: Path, run_id: str) -> None:
        self._process = subprocess.Popen(
            command("control.optuna_sync", str(store), run_id),
            stdin=subprocess.PIPE,
            env=helper_environment(*TEAM_VARIABLES),  # it reads the store
            start_new_session=True,  # it takes its last look after whatever ends the worker
        )
        with suppress(OSError):  # it has ended already
            os.setpriority(os.PRIO_PROCESS, self._process.pid, MIRROR_NICENESS)

    def close(self, hurry: bool = False) -> None:
        """Let it take a last look, so that the study is whole when the run says that it has ended.

        Args:
            hurry: Somebody waits for the end: it may take that look afterwards.
        """
        self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(MIRROR_HURRY_S if hurry else MIRROR_WAIT_S)
        except subprocess.TimeoutExpired:
            if not hurry:
                self._process.kill()
                self._process.wait()
