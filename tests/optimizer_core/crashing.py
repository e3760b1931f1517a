"""Lives of runs that are cut off after any commit, in memory, and what must be the same when they are resumed.

`python -m tests.optimizer_core.crashing` plays every kill point of every scenario and optimizer and prints a table;
`--mode whole` is faster by half, `--mode journal` has the journal fail there in place of the kill, `--mode clock`
sets the watch forward and back too.
"""

import argparse
import asyncio
import contextlib
import copy
import errno
import heapq
import itertools
import logging
import os
import random
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

from mipro_studio.optimizer_core.config import RunConfig, parse_config
from mipro_studio.optimizer_core.errors import LeaseLost, StudioError
from mipro_studio.optimizer_core.evaluation.journal import MemoryJournal
from mipro_studio.optimizer_core.finetuning import tuner
from mipro_studio.optimizer_core.parameters import seed_program
from mipro_studio.optimizer_core.programs.program import Program, load_program
from mipro_studio.optimizer_core.runs import assembly
from mipro_studio.optimizer_core.runs.run import Ending
from mipro_studio.optimizer_core.types import Change, ChangeKind, Record, Status, Trial, Tuning, Usage
from tests.arms import demo_sets_of, instructions_of
from tests.immediate import Immediate
from tests.loopback.inprocess import InProcessEndpoint
from tests.optimizer_core.builders import ROOT, ROWS, make_examples, merge
from tests.optimizer_core.optimizers.small import ALL
from tests.optimizer_core.optimizers.together.trainer import ScriptedTrainer
from tests.programs import desk

SIZES = {"train": 10, "val": 12, "test": 4}
SEARCH = {
    **{"candidates": 4, "trials": 7, "minibatch_size": 5, "full_eval_every": 3, "max_bootstrapped": 2, "step": 3},
    **{"threshold": 0.5, "max_labeled": 2, "breadth": 2, "depth": 2},
}
MOST_LIVES = 6
TUNING = ("bootstrap_finetune", "better_together")
OPTIMIZERS = (*ALL, *TUNING)
TRAINER_KEY = "TRAINER_KEY"
STRATEGIES: Mapping[str, Mapping[str, Any]] = {
    "bootstrap_finetune": {"trainer": "together"},
    "better_together": {"trainer": "together", "strategy": "p -> w -> p", "sets": 3},
}


class VirtualPool:
    """A `WorkPool` without threads: of the jobs under way a random one is done next, one a turn of the event loop.

    So the answers of a life come in an order of their own, one commit each, and yet the same whenever it is played.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._jobs: list[tuple[tuple[int, int], Callable[[], Any], asyncio.Future[Any]]] = []
        self._under_way: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []
        self._order = itertools.count()
        self._refusal: BaseException | None = None
        self._pump: asyncio.Task[None] | None = None
        self.rng = random.Random(0)

    async def run(self, work: Callable[[], Any], priority: int = 0, limit_s: float | None = None) -> Any:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._jobs, ((priority, next(self._order)), work, done))  # type: ignore[misc]
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._work())
        return await done

    async def _work(self) -> None:
        await asyncio.sleep(0)
        while self._jobs or self._under_way:
            while self._jobs and len(self._under_way) < self._threads:
                _, work, done = heapq.heappop(self._jobs)
                self._under_way.append((work, done))
            work, done = self._under_way.pop(self.rng.randrange(len(self._under_way)))
            if not done.done():
                try:
                    if self._refusal is not None:
                        raise self._refusal
                    done.set_result(work())
                except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever awaits the result
                    done.set_exception(error)
                    done.exception()
            for _ in range(self.rng.randrange(4)):
                await asyncio.sleep(0)

    def refuse(self, reason: BaseException | None) -> None:
        self._refusal = reason

    async def drain(self) -> None:
        while self._pump is not None and not self._pump.done():
            await asyncio.sleep(0)

    def close(self) -> None:
        """Nothing to end."""


Wish = tuple[int, ChangeKind, Mapping[str, Any]]
"""(order of the trial at whose beginning a person asks, what, payload)."""


class Perishable(MemoryJournal):
    """Fails after `left` more commits; asks for a person's `wishes` as their trials begin.

    Attributes:
        fault: What the next commit then raises, once. None: nothing is ever written again, as after a kill.
        trainer: Tunes weights; it outlives the lives of a run, as a provider does.
    """

    def __init__(self, wishes: Sequence[Wish] = ()) -> None:
        super().__init__()
        self.left: int | None = None
        self.fault: Exception | None = None
        self.trainer = ScriptedTrainer()
        self._said = wishes
        self._wishes = list(wishes)
        self._asked = 0
        self._history: list[tuple[Sequence[Record], ScriptedTrainer]] = []
        self.opened: list[int] = []
        super().commit(make_examples(**SIZES))

    def commit(self, records: Sequence[Record]) -> None:
        if self.left == 0 and self.fault is None:
            raise LeaseLost("killed")
        if self.left == 0 and self.fault is not None:
            self.left = None
            raise self.fault
        super().commit(records)
        trainer = copy.deepcopy(self.trainer) if self.trainer.jobs else ScriptedTrainer()
        self._history.append((list(records), trainer))
        if self.left is not None:
            self.left -= 1
        begun = [record.order for record in records if isinstance(record, Trial) and not record.done]
        for wish in [wish for wish in self._wishes if wish[0] in begun]:
            self._wishes.remove(wish)
            self.ask(wish[1], wish[2])

    def ask(self, kind: ChangeKind, payload: Mapping[str, Any]) -> None:
        self._asked += 1
        self.asked.append(Change(self._asked, kind, payload))

    def open_gate(self) -> None:
        """A person looks at what waits at the review gate, changes some of it (at the first) and says go."""
        for kind, payload in () if self.opened else GATE:
            self.ask(kind, payload)
        self.opened.append(len(self._history))

    def after(self, commits: int) -> "Perishable":
        """The journal as a kill after so many commits would have left it."""
        left = Perishable(self._said)
        for place, (records, trainer) in enumerate(self._history[:commits]):
            for _ in range(self.opened.count(place)):
                left.open_gate()
            left.commit(records)
            left.trainer = copy.deepcopy(trainer)
        return left


WISHES: Sequence[Wish] = (
    (0, ChangeKind.WRITE, {"predictor": "queue", "text": "Find the queue with care."}),
    (1, ChangeKind.REJECT, {"predictor": "queue", "kind": "instruction", "index": 1}),
    (2, ChangeKind.EDIT, {"predictor": "queue", "index": 2, "text": "Find it, at once.", "keep": False}),
    (2, ChangeKind.DEMOS, {"predictor": "queue", "index": 2, "keep": [0], "pin": []}),
    (3, ChangeKind.RESTORE, {"predictor": "queue", "kind": "instruction", "index": 1}),
    (4, ChangeKind.ASK, {"predictor": "queue", "hint": "Be short.", "count": 1}),
    (5, ChangeKind.REJECT, {"predictor": "queue", "kind": "demos", "index": 1}),
)


@dataclass(frozen=True)
class Scenario:
    """A kind of run that is cut off."""

    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    wishes: Sequence[Wish] = ()
    gate: bool = False


SCENARIOS = (
    Scenario("plain"),
    Scenario("racing", {"search": {"schedule": "racing", "surrogate": "item_response", "trials": 12}}),
    Scenario("arms made", {"search": {"schedule": "racing", "surrogate": "item_response", "trials": 34}}),
    Scenario(
        "arms made, cap and edits",
        {
            "search": {"schedule": "racing", "surrogate": "item_response", "trials": 60},
            "budget": {"max_program_runs": 190},
        },
        wishes=[(14 + at, kind, payload) for at, kind, payload in WISHES],
    ),
    Scenario("review gate", {"review": True}, gate=True),
    Scenario("edits", wishes=WISHES),
    Scenario("cap", {"budget": {"max_program_runs": 60}}),
    Scenario("cap while bootstrapping", {"budget": {"max_program_runs": 17}}),
    Scenario("cap and edits", {"budget": {"max_program_runs": 75}}, wishes=WISHES),
    Scenario("minibatches, lag 6", {"search": {"schedule": "minibatch", "surrogate": "tpe", "lag": 6, "trials": 9}}),
    Scenario("lag 1", {"search": {"lag": 1}}),
)
GATE = (
    (ChangeKind.WRITE, {"predictor": "queue", "text": "Read, then find the queue."}),
    (ChangeKind.REJECT, {"predictor": "queue", "kind": "instruction", "index": 1}),
)


class Stage:
    """Everything that the lives of a test share."""

    def __init__(self) -> None:
        self.endpoint = InProcessEndpoint(responder="oracle", gold=desk.gold(ROWS), correlation=0.5)

    def __enter__(self) -> "Stage":
        self.endpoint.start()
        self._given = mock.patch.dict(os.environ, {TRAINER_KEY: "a-key-of-the-trainer"})
        self._given.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._given.stop()
        self.endpoint.close()

    def plain(self, **settings: Any) -> RunConfig:
        """The endpoint's models, six threads, and `settings`."""
        model = {"api_base": self.endpoint.base_url, "timeout_s": 20.0}
        models = {f"{role}_model": {"model": f"openai/{role}", **model} for role in ("task", "prompt")}
        return parse_config({"threads": 6, **models, **settings})

    def config(self, optimizer: str, scenario: Scenario) -> RunConfig:
        settings: dict[str, Any] = {
            "program": "tests/programs/quick.py",
            "optimizer": optimizer,
            "search": SEARCH,
            "proposer": {"view_data_batch_size": 6},
        }
        if optimizer == "opro":
            settings = merge(settings, {"search": {"freeze": ["tone"]}})
        made = merge(settings, scenario.config)
        return self.tuning(optimizer, made) if optimizer in TUNING else self.plain(**made)

    def tuning(self, optimizer: str, settings: Mapping[str, Any]) -> RunConfig:
        """The same of an optimizer that tunes weights; how it searches is its own."""
        own = {name: SEARCH[name] for name in ("max_bootstrapped", "max_labeled", "threshold")}
        config = self.plain(**{**settings, "search": own, "finetune": STRATEGIES[optimizer]})
        task = config.task_model.model_copy(update={"api_key_env": TRAINER_KEY})
        return config.model_copy(update={"task_model": task})


def live(config: RunConfig, journal: MemoryJournal, timing: int, approved: bool | int = True) -> Ending:
    """One life; `timing` decides in which order answers come in, `approved` is how many times a person said go."""
    past = assembly.Past(approved=bool(approved), approvals=int(approved))

    async def main() -> Ending:
        asyncio.get_running_loop().set_default_executor(Immediate())
        assembled = assembly.assemble(config, journal, ROOT, past)
        assembled.pool.rng = random.Random(timing)  # type: ignore[attr-defined]
        return await assembled.run.execute()

    with (
        mock.patch.object(assembly, "WorkPool", VirtualPool),
        mock.patch.object(assembly, "trainer_for", lambda config, folder: getattr(journal, "trainer", None)),
        mock.patch.object(tuner, "POLL_S", 0.0),
        mock.patch.object(seed_program, "load_program", _loaded),
        _dspy_configured_anew(),
    ):
        return asyncio.run(main())


def _loaded(reference: str, base: Path, *more: Any) -> Program:
    """Once for all lives: reading a class's source costs more than a small run."""
    if reference not in _programs:
        _programs[reference] = load_program(reference, base, *more)
    return _programs[reference]


_programs: dict[str, Program] = {}


@contextlib.contextmanager
def _dspy_configured_anew() -> Iterator[None]:
    settings = sys.modules["dspy.dsp.utils.settings"]
    settings.config_owner_async_task = None  # type: ignore[attr-defined]
    try:
        yield
    finally:
        settings.config_owner_async_task = None  # type: ignore[attr-defined]


FAULTS = (
    lambda: StudioError("The store is locked by another process.", "Close it, then try again."),
    lambda: OSError(errno.ENOSPC, "No space left on device"),
    lambda: sqlite3.OperationalError("disk I/O error"),
)


def to_the_end(
    config: RunConfig, journal: Perishable, scenario: Scenario, timing: int, cuts: Sequence[int] = ()
) -> Ending:
    """Live on until a life comes to an end, a person passing the gate; life n is cut off after `cuts[n]` commits."""
    for life in range(MOST_LIVES):
        journal.left = cuts[life] if life < len(cuts) else None
        try:
            ending = live(config, journal, timing + life, len(journal.opened) if scenario.gate else True)
        except LeaseLost:
            continue
        if ending.status is Status.PAUSED:
            assert ending.reason.endswith("."), ending.reason
        elif ending.status is not Status.AWAITING_REVIEW:
            return ending
        else:
            journal.open_gate()
    raise AssertionError("The run comes to no end.")


def remembered(journal: MemoryJournal, ending: Ending) -> dict[str, Any]:
    """All that a kill must not change, by name."""
    return {
        "ending": ending,
        "trials": {trial.order: trial for trial in journal.trials()},
        "cells": {cell.key: (cell.score, cell.error, cell.prediction, cell.trace) for cell in journal.cells()},
        "instructions": {(arm.owner, arm.index): _timeless(arm) for arm in instructions_of(journal)},
        "demo sets": {(arm.owner, arm.index): arm for arm in demo_sets_of(journal)},
        "prompts": {call.key: (call.request, call.reply, call.error) for call in journal.prompt_calls()},
        "changes": {one.change: one for one in journal.settled()},
        "waiting": list(journal.changes()),
        "outcome": journal.outcome(),
        "tunings": {tuning.number: _of_any_job(tuning) for tuning in journal.tunings()},
        "jobs": sorted(getattr(journal, "trainer", ScriptedTrainer()).submitted.values()),
    }


def _of_any_job(tuning: Tuning) -> Tuning:
    """`tuning` without the id that is drawn for its job, and without the seconds that the job took."""
    return replace(tuning, job="", facts={**tuning.facts, "waited_s": 0.0})


def _timeless(record: Any) -> Any:
    """`record` without the seconds that something took."""
    if isinstance(record, Usage):
        return replace(record, lm_s=0.0)
    if is_dataclass(record) and not isinstance(record, type):
        return tuple(_timeless(getattr(record, one.name)) for one in fields(record))
    return record


def differences(whole: Mapping[str, Any], resumed: Mapping[str, Any]) -> list[str]:
    return [name for name, value in whole.items() if value != resumed[name]]


@dataclass(frozen=True)
class Played:
    """What came of a run that was cut off: after which commits of each life, what differs from the whole one."""

    cuts: tuple[int, ...]
    different: tuple[str, ...]


def play(
    stage: Stage, optimizer: str, scenario: Scenario, points: Callable[[int], Sequence[int]], mode: str = "kill"
) -> Iterator[Played]:
    """The run uninterrupted, then cut off, every other time in its second life as well.

    Args:
        points: Commits of the first life to cut off after, given how many the uninterrupted run makes.
        mode: `kill`; `whole`: a kill of the uninterrupted run itself, as it went, on both sides of a gate;
            `journal`: it fails and the run stops by itself, instead; `clock`: a kill, and the watch is
            set by an hour or a month, forward or back, in the middle of each life and between them.
    """
    config = stage.config(optimizer, scenario)
    whole = Perishable(scenario.wishes)
    before = whole.commits
    ending = to_the_end(config, whole, scenario, 0)
    expected = remembered(whole, ending)
    for n, commits in enumerate(points(whole.commits - before)):
        again = () if n % 2 == 0 else (1 + commits % 7,)
        if mode == "whole":
            journal = whole.after(commits)
            found = remembered(journal, to_the_end(config, journal, scenario, 1 + n, again))
            yield Played((commits, *again), tuple(differences(expected, found)))
            continue
        cuts = (commits, *again)
        journal = Perishable(scenario.wishes)
        journal.fault = FAULTS[n % len(FAULTS)]() if mode == "journal" else None
        with _watch_that_jumps(journal, n) if mode == "clock" else contextlib.nullcontext():
            found = remembered(journal, to_the_end(config, journal, scenario, 1 + n, cuts))
        yield Played(cuts, tuple(differences(expected, found)))


JUMPS_S = (3600.0, -3600.0, 30 * 86400.0, -30 * 86400.0)


@contextlib.contextmanager
def _watch_that_jumps(journal: Perishable, n: int) -> Iterator[None]:
    """What the watch shows is set anew at every seventh commit, ever in another direction."""
    jumps = itertools.cycle(JUMPS_S[n % len(JUMPS_S) :] + JUMPS_S[: n % len(JUMPS_S)])
    off, real, real_ns, commit = [next(jumps)], time.time, time.time_ns, journal.commit

    def committed(records: Sequence[Record]) -> None:
        if journal.commits % 7 == 6:
            off[0] += next(jumps)
        commit(records)

    with (
        mock.patch.object(journal, "commit", committed),
        mock.patch.object(time, "time", lambda: real() + off[0]),
        mock.patch.object(time, "time_ns", lambda: real_ns() + int(off[0] * 1e9)),
    ):
        yield


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--optimizers", nargs="*", default=list(OPTIMIZERS))
    parser.add_argument("--mode", choices=("kill", "whole", "journal", "clock"), default="kill")
    parser.add_argument("--scenarios", nargs="*", default=[one.name for one in SCENARIOS])
    said = parser.parse_args()
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # tasks of a killed life tell of it
    bad = total = 0
    started = time.monotonic()
    with Stage() as stage:
        for scenario in (one for one in SCENARIOS if one.name in said.scenarios):
            for optimizer in said.optimizers:
                played = list(play(stage, optimizer, scenario, lambda n: range(0, n, said.stride), said.mode))
                wrong = [one for one in played if one.different]
                total, bad = total + len(played), bad + len(wrong)
                what = sorted({name for one in wrong for name in one.different})
                at = " ".join(str(one.cuts[0]) for one in wrong[:12])
                counted = f"{len(played):4} cuts, {len(wrong):3} differ"
                print(f"{scenario.name:24} {optimizer:24} {counted} {what} {at}", flush=True)
    print(f"{total} cuts, {bad} with differences, {time.monotonic() - started:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
