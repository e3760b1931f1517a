"""One run of one of DSPy's optimizers in a process of its own: `main([STORE, RUN, OPTIMIZER])`.

It claims the run as a worker does, keeps the lease alive, records each evaluation as it comes, and scores the sealed
test for the seed program and for what the optimizer returned, in the studio's way: an error is no score of 0. A peer
that is killed leaves a LOST run, which the benchmark replaces.
"""

from __future__ import annotations

import asyncio
import os
import queue
import secrets
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "true")

import dspy

from mipro_studio.benchmarks.peers.counting import (
    AdapterByModel,
    CapReached,
    PeerLM,
    RunCounter,
    peer_lm,
    record_evaluations,
)
from mipro_studio.benchmarks.peers.entries import Work, compile_peer
from mipro_studio.benchmarks.peers.records import PeerRecords
from mipro_studio.control.lease import LeaseKeeper
from mipro_studio.optimizer_core.analysis.statistics import estimate, paired_difference
from mipro_studio.optimizer_core.config import Budget, RunConfig, parse_config
from mipro_studio.optimizer_core.evaluation.cell_request import CellRunner
from mipro_studio.optimizer_core.evaluation.evaluator import Evaluator
from mipro_studio.optimizer_core.evaluation.executor import ThreadExecutor
from mipro_studio.optimizer_core.evaluation.pool import WorkPool
from mipro_studio.optimizer_core.evaluation.recorder import Recorder
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.metrics.loading import load_metric
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.role_models import build_role_model
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.programs.program import load_program
from mipro_studio.optimizer_core.programs.program_inputs import as_dspy
from mipro_studio.optimizer_core.roles import key_variables
from mipro_studio.optimizer_core.secrets import Scrubber
from mipro_studio.optimizer_core.types import Event, EventKind, Example, Outcome, Record, Role, Split, Status
from mipro_studio.storage import Reader, SqliteJournal, Store

LEASE_S = 30.0
"""Longer than a worker's: DSPy holds the interpreter for seconds at a time, and a peer cannot be resumed."""


class Scribe(LeaseKeeper):
    """Keeps the lease and commits what the optimizer's threads put into the queue, on a connection of its own."""

    def __init__(self, store: Path, run_id: str, worker_id: str, meter: Meter, scrubber: Scrubber) -> None:
        super().__init__(store, run_id, worker_id, LEASE_S, "scribe")
        self._meter, self._scrubber = meter, scrubber
        self._records: queue.SimpleQueue[Record] = queue.SimpleQueue()
        self._batch: list[Record] = []
        self._lock = threading.Lock()
        self._open = 0

    def put(self, records: list[Record]) -> None:
        with self._lock:
            self._open += len(records)
        for record in records:
            self._records.put(self._scrubber.record(record))

    def wait(self) -> None:
        """Return when all that was put is committed."""
        while self._open and self.is_alive():
            time.sleep(0.05)

    def beaten(self, store: Store) -> None:
        if any(command.kind == "stop" for command in store.pending_commands(self._run_id)):
            store.release(self._run_id, self._worker_id, Status.STOPPED, "Stopped by a person.")
            os._exit(0)  # DSPy's optimizers cannot be asked to stop
        self._batch += [self._records.get() for _ in range(self._records.qsize())]
        SqliteJournal(store, self._run_id, self._worker_id).commit([*self._batch, *self._meter.changed()])
        with self._lock:
            self._open -= len(self._batch)
        self._batch = []  # what could not be committed is tried again with the next beat

    def lost(self) -> None:
        traceback.print_exc()
        os._exit(1)


class PeerRun:
    """A claimed run: optimize, then test."""

    def __init__(
        self, config: RunConfig, optimizer: str, examples: list[Example], scribe: Scribe, meter: Meter
    ) -> None:
        self._config, self._optimizer, self._scribe, self._meter = config, optimizer, scribe, meter
        base = Path(config.base or ".")
        self._program = load_program(config.program, base)
        self._scorer = load_metric(config.metric, self._program, base, config.data.labels)
        self._examples = {split: [row for row in examples if row.split is split] for split in Split}
        self.counter = RunCounter(config.budget.max_program_runs or sys.maxsize)
        self._records = PeerRecords(self._program.predictors, self._examples[Split.VAL], optimizer)
        self.index = 0
        self.winner: Any = self._program.module

    def optimize(self) -> str:
        """Let the peer work; returns why it ended. `winner` is its program, or the best so far at the cap."""
        task, prompt = (peer_lm(self._config, role, self._meter) for role in (Role.TASK, Role.PROMPT))
        self._configure(task, prompt)
        self._scribe.put(
            [Event(EventKind.PHASE, {"phase": "search"}), *self._records.program(self._program.module)[1]]
        )
        self.counter.watch(type(self._program.module))
        record_evaluations(self._evaluated)
        work = Work(
            program=self._program.module.deepcopy(),
            metric=self._program.metric or self._scorer,
            train=[as_dspy(row) for row in self._examples[Split.TRAIN]],
            val=[as_dspy(row) for row in self._examples[Split.VAL]],
            prompt_model=prompt,
            task_model=task,
            cap=self.counter.cap,
            candidates=self._config.search.candidates,
            seed=self._config.seed,
            threads=self._config.threads,
        )
        try:
            self.winner, reason = compile_peer(self._optimizer, work), ""
        except CapReached:
            best = self._records.best
            self.winner = best if best is not None else self._program.module
            reason = f"Stopped at the cap of {self.counter.cap} program runs; scored with its best full evaluation."
            if best is None:
                reason = f"Stopped at the cap of {self.counter.cap} program runs before any full evaluation."
        self.counter.seal()
        self.index, arms = self._records.program(self.winner)
        self._scribe.put(arms)
        return reason

    def _configure(self, task: PeerLM, prompt: PeerLM) -> None:
        specs = {lm.model: self._config.model_for(role) for lm, role in ((prompt, Role.PROMPT), (task, Role.TASK))}
        dspy.configure(lm=task, adapter=AdapterByModel(specs), track_usage=False)

    def _evaluated(self, program: Any, results: list[tuple[Any, Any, float]]) -> None:
        self._scribe.put(self._records.evaluation(program, results, self.counter.runs))

    async def test(self, journal: SqliteJournal, reason: str) -> Outcome:
        """Score the sealed test for the seed program and the winner, and put the evidence together."""
        pool = WorkPool(self._config.threads)
        table = ScoreTable(journal.cells())
        tester = build_role_model(self._config.task_model, Role.TEST, self._meter, self._config)
        seed, winner = (self._records.candidate(index).id for index in (0, self.index))
        modules = {seed: self._program.module, winner: self.winner}
        asked = [ArmContents({"candidate": {one: {}}}) for one in modules]
        named = {arms.text: one for arms, one in zip(asked, modules, strict=True)}
        rows = self._examples[Split.TEST]
        # What an optimizer of DSPy's returned is at hand, and in no arms: it goes by its candidate's name.
        runner = CellRunner(lambda arms: modules[named[arms.text]], lambda *asked: tester, self._scorer)
        evaluator = Evaluator(ThreadExecutor(pool, runner), Recorder(journal, self._meter), table)
        await asyncio.gather(*(evaluator.cells(named[arms.text], arms, rows, Role.TEST) for arms in asked))

        def of(candidate: str, split: Split) -> Any:
            cells = table.row(candidate, split).values()
            scores = [cell.score for cell in cells if cell.score is not None]
            return estimate(scores, len(cells) - len(scores)) if cells else None

        def paired(split: Split) -> Any:
            pairs = table.paired(seed, winner, split)
            return paired_difference([(before, after) for _, before, after in pairs]) if pairs else None

        return Outcome(
            winner=winner,
            reason=reason or f"Chosen by {self._optimizer}.",
            baseline_val=of(seed, Split.VAL),
            best_val=of(winner, Split.VAL),
            baseline_test=of(seed, Split.TEST),
            best_test=of(winner, Split.TEST),
            paired_val=paired(Split.VAL),
            paired_test=paired(Split.TEST),
        )


def main(arguments: list[str]) -> int:
    code = _run(Path(arguments[0]), arguments[1], arguments[2])
    sys.stdout.flush()
    os._exit(code)  # threads of an executor that a cap cut short may still wait for a model


def _run(store_path: Path, run_id: str, optimizer: str) -> int:
    worker_id = f"{os.getpid()}-{secrets.token_hex(4)}"
    with Reader(store_path) as reader:
        config = parse_config(reader.config(run_id))
    with Store(store_path) as store:
        journal = SqliteJournal(store, run_id, worker_id)
        if not store.claim(run_id, worker_id, LEASE_S):
            print(f"Run {run_id} is not waiting for a worker.", file=sys.stderr)
            return 1
        scrubber = Scrubber(key_variables(config.model_dump()))
        meter = Meter(Budget(), pause_after=sys.maxsize, retry_budget=sys.maxsize)
        scribe = Scribe(store_path, run_id, worker_id, meter, scrubber)
        scribe.start()
        try:
            run = PeerRun(config, optimizer, list(journal.examples()), scribe, meter)
            reason = run.optimize()
            spent = {"program_runs": run.counter.runs, "lm_calls": meter.capped_total().calls}
            scribe.put([Event(EventKind.PHASE, {"phase": "test"}), Event(EventKind.PEER_SPENT, spent)])
            scribe.wait()  # the evidence is read back from the store
            outcome = asyncio.run(run.test(journal, reason))
            ended = Event(EventKind.ENDED, {"status": "completed", "reason": outcome.reason, "capped": bool(reason)})
            scribe.put([outcome, ended])
            status, said, error = Status.COMPLETED, outcome.reason, ""
        except Exception as failure:  # noqa: BLE001 - whatever the peer raises is its result, and goes on the record
            traceback.print_exc()
            status, said = Status.FAILED, scrubber.text(f"{optimizer} raised {type(failure).__name__}: {failure}")
            error = said
        scribe.stop()
        store.release(run_id, worker_id, status, said, error)
    return 0
