"""Opening the database file: pragmas with their reasons, transactions, the schema check, errors in words."""

import os
import sqlite3
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.storage.damage import CHECK, DAMAGES, damaged_file
from mipro_studio.storage.migrations import MIGRATION_NAMES, MIGRATIONS
from mipro_studio.storage.team import team_address

__all__ = [
    "BUSY_S",
    "LockHolder",
    "StoreUnavailable",
    "create_private",
    "immediate",
    "lock_holder",
    "open_reader",
    "open_writer",
    "snapshot",
]

# A writer holds the lock for about a millisecond and a checkpoint for tens of them; only a process that was
# stopped in the middle of a transaction keeps others waiting this long.
BUSY_S = 10.0


_FLOCK = "hhqqi4x"
"""The system's `struct flock`: kind, whence, start, length, pid."""
_WRITE_LOCK = 120
"""The byte of the -shm file that whoever writes has locked (https://sqlite.org/walformat.html, section 2.3)."""

SMALLEST_BYTES = 512
"""A page of SQLite; what is shorter is somebody's text."""


class StoreUnavailable(StudioError):
    """The store cannot be written just now: another process holds its lock, or the disk is full or fails."""


_PASSING = frozenset(
    (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
)

_SENTENCES = {
    sqlite3.SQLITE_BUSY: ("is locked by another process", "Close the program that holds it, then try again."),
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", "Free some space, then resume the run."),
    sqlite3.SQLITE_READONLY: ("cannot be written", "Check the rights of the file and of its folder."),
    sqlite3.SQLITE_IOERR: ("cannot be read or written", "Check the disk, then resume the run."),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "Check the rights of the file and of its folder."),
    sqlite3.SQLITE_NOTADB: ("is not a studio database", "Choose another file."),
    sqlite3.SQLITE_CORRUPT: ("is damaged", CHECK),
}


def open_writer(path: Path, busy_s: float | None = None) -> Database:
    """The database at `path`, created when missing (only its owner may read it) and brought up to date.

    Args:
        busy_s: Seconds to wait for a lock that another process holds; None = `BUSY_S`.

    Raises:
        StudioError: the file cannot be opened, is not a database, or was written by a newer studio.
    """
    if (address := team_address(path)) is not None:
        return _postgres()(address, busy_s=busy_s)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Prompts, data and answers are private. SQLite gives its -wal and -shm files the mode of the main file.
        create_private(path)
    except OSError as e:
        raise StudioError(f"The store {path} cannot be opened: {e.strerror}.") from e
    if path.is_file() and 0 < path.stat().st_size < SMALLEST_BYTES:  # SQLite would take it for an empty one
        says, hint = _SENTENCES[sqlite3.SQLITE_NOTADB]
        raise StudioError(f"The store {path} {says}.", hint)
    with _in_words(path, opening=True):
        db = _database(sqlite3.connect(path, timeout=BUSY_S if busy_s is None else busy_s, isolation_level=None))
        try:
            _prepare_writer(db, path, BUSY_S if busy_s is None else busy_s)
        except BaseException:
            db.close()
            raise
        return db


def _postgres() -> Callable[..., Database]:
    """What opens a team's store; its driver is an extra."""
    try:
        from mipro_studio.storage.postgres import open_postgres
    except ImportError as error:
        raise StudioError(
            "A store on PostgreSQL needs the package psycopg.", "Install mipro-studio[postgres]."
        ) from error
    return open_postgres


def _into_wal(db: Database, busy_s: float) -> None:
    """SQLite waits for no lock when it changes the journal's mode, so that two that open a new file collide."""
    deadline = time.monotonic() + busy_s
    while True:
        try:
            db.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(0.02)


def _prepare_writer(db: Database, path: Path, busy_s: float) -> None:
    # Readers never wait for the writer nor it for them: pages poll while a worker commits.
    if db.execute("pragma journal_mode").fetchone()[0] != "wal":
        _into_wal(db, busy_s)
    # In WAL mode this survives a crash of any process; only a power cut may take the last commits, whole.
    # FULL would add an fsync (milliseconds) to every cell.
    db.execute("pragma synchronous = normal")
    # Deleting a run deletes its rows; a command for a run that does not exist is refused.
    db.execute("pragma foreign_keys = on")
    # One long reader lets the WAL grow; this gives the disk back once it is gone.
    db.execute("pragma journal_size_limit = 67108864")
    if _must_migrate(db, path):
        # Under the write lock, so that of two processes that open an old file one migrates and one waits.
        with immediate(db, path):
            MIGRATIONS.apply(db)


def create_private(path: Path) -> None:
    """Make an empty file that only its owner may read, unless there is one.

    An existing file is not even opened: closing it again would drop every lock that this process's SQLite
    connections hold on it (POSIX locks belong to the process), and the next one to close would then delete the
    write-ahead log under the others.
    """
    with suppress(FileExistsError):  # of a link it is the file that it leads to
        os.close(os.open(os.path.realpath(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def open_reader(path: Path) -> Database:
    """The database at `path`, unable to write.

    Raises:
        StudioError: the file is missing, is not a database, or has another schema than this studio.
    """
    if (address := team_address(path)) is not None:
        return _postgres()(address, read_only=True)
    if not path.is_file():
        raise StudioError(f"There is no store at {path}.", "Start a run, or name another store.")
    if path.stat().st_size == 0:
        raise StudioError(
            f"The store {path} is empty (0 bytes): nothing was ever written to it.",
            "Start a run, or name another store.",
        )
    with _in_words(path, opening=True):
        db = _database(_connect_reader(path))
        try:
            # mode=ro guards the file, this the connection: no temporary table, no pragma that writes.
            db.execute("pragma query_only = on")
            if _must_migrate(db, path):
                raise StudioError(
                    f"The store {path} was made by an older studio.", "Open it once for writing to bring it up."
                )
        except BaseException:
            db.close()
            raise
        return db


def _connect_reader(path: Path) -> sqlite3.Connection:
    address = path.absolute().as_uri()
    conn = sqlite3.connect(f"{address}?mode=ro", uri=True, timeout=BUSY_S, isolation_level=None)
    try:
        conn.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.OperationalError as e:
        conn.close()
        # Reading a WAL database takes a -shm file. In a folder that cannot be written (a shipped store to
        # replay) nobody writes either, so the file may be taken as it stands.
        unwritable = e.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
        if not unwritable or path.with_name(path.name + "-wal").exists():
            raise
        conn = sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True, isolation_level=None)
    return conn


def _database(conn: sqlite3.Connection) -> Database:
    # Plugins that a user installed for the sqlite-utils command have no business in this file.
    return Database(conn, execute_plugins=False)


def _must_migrate(db: Database, path: Path) -> bool:
    """Whether migrations are missing; refuses a schema that has one which this studio does not know."""
    applied = {migration.name for migration in MIGRATIONS.applied(db)}
    if applied - MIGRATION_NAMES:
        raise StudioError(f"The store {path} was made by a newer studio.", "Update this one.")
    return applied != MIGRATION_NAMES


@contextmanager
def immediate(db: Database, path: Path) -> Iterator[Database]:
    """One transaction that takes the write lock first; inside another it is a part of that one.

    A deferred transaction that reads and then writes fails at once when another wrote in between, whatever
    the timeout; this one waits for its turn.

    Raises:
        StudioError: the lock was not to be had, or the disk refused.
    """
    with _in_words(path):
        if db.conn.in_transaction:
            with db.atomic():
                yield db
            return
        db.execute("begin immediate")
        try:
            yield db
            db.execute("commit")
        except BaseException:
            if db.conn.in_transaction:  # SQLite has taken it back itself where the disk was full
                db.execute("rollback")
            raise


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A transaction that is under way: the process that holds the write lock, and what was last committed."""

    pid: int
    log_ns: int
    log_bytes: int


def lock_holder(path: Path) -> LockHolder | None:
    """Who writes to the store just now; None where nobody does, on a server, or where the system cannot say.

    Not while this process has the store open: closing the file that holds the locks drops its own.
    """
    if sys.platform != "linux" or team_address(path) is not None:
        return None
    import fcntl  # not on every system

    file = path.resolve()  # SQLite follows links as well
    try:
        log = file.with_name(f"{file.name}-wal").stat()
        locks = os.open(f"{file}-shm", os.O_RDONLY)
    except OSError:  # nobody has it open
        return None
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _WRITE_LOCK, 1, 0)
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(locks, fcntl.F_GETLK, asked))
    finally:
        os.close(locks)
    return None if kind == fcntl.F_UNLCK else LockHolder(pid, log.st_mtime_ns, log.st_size)


@contextmanager
def snapshot(db: Database) -> Iterator[None]:
    """Reads inside see one state of the database, whatever is committed meanwhile."""
    if db.conn.in_transaction:
        yield
        return
    db.execute("begin")
    try:
        yield
    finally:
        db.rollback()


@contextmanager
def _in_words(path: Path, opening: bool = False) -> Iterator[None]:
    try:
        yield
    except StudioError:
        raise
    except sqlite3.DatabaseError as e:
        code = getattr(e, "sqlite_errorcode", None)
        if code is None or code & 0xFF not in _SENTENCES:
            if opening:
                raise damaged_file(path, e) from e
            raise
        says, hint = _SENTENCES[code & 0xFF]
        kind = StoreUnavailable if code & 0xFF in _PASSING else StudioError
        raise kind(f"The store {path} {says}.", hint) from e
    except DAMAGES as e:
        if opening:
            raise damaged_file(path, e) from e
        raise
