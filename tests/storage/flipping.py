"""Files of the studio with one bit turned over, or cut off: what is said of them, and whether the rest is right.

`python -m benchmarks.faults --only bits` does it thousands of times; `test_flipping` a few.
"""

import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.types import Event, Status
from mipro_studio.storage import Reader, SqliteJournal, Store, check_store, pack, unpack
from tests.storage.samples import SAMPLES, WORKER, HandClock, cell, running

LOG_HEADER, FRAME = 32, 24
FILES = ("store", "log", "replay", "study")
READS = (
    "config", "plan", "receipt", "outcome", "examples", "instructions", "demo_sets", "prompt_calls", "spent",
    "cells", "trials_with_examples", "trial_times", "events",
)  # fmt: skip
RIGHT, SAID, SILENT, RAISED = "the right data", "a sentence", "wrong data in silence", "a traceback"
EARLIER = "the right data of an earlier commit"
"""Of a log whose end is cut off: as after a power cut, which SQLite cannot tell from it either."""
Facts = dict[str, Any]
CLOCK = HandClock()


@dataclass(frozen=True)
class Sound:
    """A store at rest, one whose latest commits are in its log, a replay, and a study."""

    folder: Path
    run: str

    def path(self, kind: str) -> Path:
        return self.folder / kind / "studio.db"

    def file(self, kind: str) -> Path:
        """What is damaged."""
        names = {"log": "studio.db-wal", "replay": "run.mipro", "study": f"studies/{self.run}.db"}
        return self.folder / kind / names.get(kind, "studio.db")


def made(folder: Path) -> Sound:
    """A fresh `Sound` in `folder`."""
    path = folder / "store" / "studio.db"
    with Store(path, CLOCK) as store:
        run = running(store, name="sound")
        cells = [cell(f"c{n}", (n % 5) / 4 if n % 7 else None, candidate=f"i{n % 2}d{n % 2}") for n in range(120)]
        SqliteJournal(store, run, WORKER).commit([*SAMPLES, *cells])
        store.release(run, WORKER, Status.COMPLETED, "done")
    sound = Sound(folder, run)
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("pragma wal_checkpoint(truncate)")
    for kind in ("replay", "study"):
        shutil.copytree(folder / "store", folder / kind)
    pack(path, run, sound.file("replay"), lambda value: value)
    _study(sound)
    (folder / "log").mkdir()
    shutil.copy(path, sound.path("log"))
    with Store(sound.path("log"), CLOCK) as store:
        late = running(store, name="in the log")
        journal = SqliteJournal(store, late, WORKER)
        for n in range(6):
            journal.commit([cell(f"late{n}"), Event("note", {"n": n})])
        store.release(late, WORKER, Status.PAUSED, "paused")
        shutil.copytree(folder / "log", folder / "log-kept")  # while the log is there: closing takes it away
    shutil.rmtree(folder / "log")
    (folder / "log-kept").rename(folder / "log")
    return sound


def _study(sound: Sound) -> None:
    from mipro_studio.storage import StudyMirror

    file = sound.file("study")
    mirror = StudyMirror(file, sound.run, {"answer: instruction": ["i0", "i1"]})
    mirror.close()


def facts(path: Path) -> Facts:
    """All that readers say of all runs.

    Raises:
        StudioError: something of it cannot be read.
    """
    with Reader(path, CLOCK) as reader:
        runs = reader.list_runs()
        found: Facts = {run.id: [run] for run in runs}
        for run in runs:
            reader.require_whole(run.id)
            found[run.id] += [getattr(reader, name)(run.id) for name in READS]
    return found


def damage(content: bytes, rng: random.Random) -> bytes:
    """One bit turned over; every tenth time the end cut off."""
    if rng.random() < 0.1:
        return content[: rng.randrange(len(content))]
    at, bit = rng.randrange(len(content)), rng.randrange(8)
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def outcome(sound: Sound, kind: str, spoiled: bytes, scratch: Path, moments: list[Facts]) -> tuple[str, str]:
    """(one of the outcomes, what was said or raised) for a file with that content.

    Args:
        moments: What was to be read after each commit, the latest first.
    """
    try:
        found, said = _looked(sound, kind, spoiled, scratch)
    except StudioError as error:
        return SAID, str(error)
    except Exception as error:  # noqa: BLE001 - that is what must not be
        return RAISED, repr(error)
    if said:
        return SAID, said
    if found == moments[0]:
        return RIGHT, ""
    return (EARLIER, "") if found in moments else (SILENT, str(found)[:200])


def _looked(sound: Sound, kind: str, content: bytes, scratch: Path) -> tuple[Facts, str]:
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(sound.folder / kind, scratch)
    place = sound.file(kind).relative_to(sound.folder / kind)
    (scratch / place).write_bytes(content)
    looks = {"replay": _replay, "study": _checked}.get(kind, _store)
    return looks(scratch, place)


def _store(folder: Path, _: Path) -> tuple[Facts, str]:
    found, said = _checked(folder, _)
    Store(folder / "studio.db").close()  # whoever writes opens it as well
    return found, said


def _checked(folder: Path, _: Path) -> tuple[Facts, str]:
    # The log as it was found: a reader that closes may take it away.
    said = " ".join(
        f"{one.says} {one.do}" for one in check_store(folder / "studio.db") if "no digests" not in one.says
    )
    return ({}, said) if said else (facts(folder / "studio.db"), "")


def _replay(folder: Path, file: Path) -> tuple[Facts, str]:
    target = folder / "other" / "studio.db"
    unpack(folder / file, target, "a file", lambda *_: None)
    found = facts(target)
    return {
        run: [_as_its_own(rows[0]), *rows[1:-1], [event[1:] for event in rows[-1]]] for run, rows in found.items()
    }, ""


def _as_its_own(run: Any) -> Any:
    from dataclasses import replace

    return replace(run, origin=None, last_event_id=0)


def sweep(folder: Path, kind: str, times: int, seed: int = 0) -> Iterator[tuple[str, str]]:
    """The outcomes of damaging one of the `FILES` so many times."""
    sound = made(folder / f"sound-{kind}")
    rng = random.Random(f"{kind} {seed}")
    content = sound.file(kind).read_bytes()
    scratch = folder / "scratch"
    whole, _ = _looked(sound, kind, content, scratch)
    moments = [whole]
    if kind == "log":
        size = FRAME + int.from_bytes(content[8:12], "big")
        for end in range(LOG_HEADER, len(content), size):
            moments.append(_looked(sound, kind, content[:end], scratch)[0])
    for _ in range(times):
        yield outcome(sound, kind, damage(content, rng), scratch, moments)


def counted(folder: Path, kind: str, times: int, seed: int = 0) -> tuple[Counter[str], list[str]]:
    """How often each outcome came, and what was said where it should not."""
    found = list(sweep(folder, kind, times, seed))
    return Counter(what for what, _ in found), [said for what, said in found if what in (RAISED, SILENT)]
