"""One run that is killed and resumed, and what it came to, with the embedded trainer or one at a provider."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

from mipro_studio.control import new_runs
from mipro_studio.optimizer_core.finetuning import tuner
from mipro_studio.optimizer_core.types import Status
from mipro_studio.sample_programs import CATALOG
from mipro_studio.storage import Reader, Store, tunings_folder
from mipro_studio.storage.clock import Moment, present
from tests.inside import helpers_inside, work_on
from tests.kills.doomed import POLL_S
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.finetuning.providers import KEY, Provider
from tests.optimizer_core.finetuning.tiny import write_tiny_model
from tests.programs import desk
from tests.working import DESK, ROOT

__all__ = ["End", "KilledRun", "at_provider", "embedded", "tuned_desk"]

KEY_VARIABLE = "TRAINER_KEY"
STRATEGY = "p -> w -> p"


@dataclass(frozen=True)
class End:
    """What a run came to. Two lives that end alike have equal `decisions`."""

    status: Status
    reason: str
    jobs: list[str]
    decisions: dict[str, Any] = field(compare=False, repr=False)


class KilledRun:
    """A run in a store of its own, and its lives."""

    def __init__(self, store: Path, found: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        Store(store).close()
        self.store, self._environment = store, {**os.environ, **environment, "PYTHONPATH": str(ROOT)}
        self.id = new_runs.queue(store, found)
        self.victim: subprocess.Popen[bytes] | None = None

    def doomed(self, moment: str = "") -> None:
        """A life that is killed at `moment`, or by `kill`."""
        given = [sys.executable, "-m", "tests.kills.doomed", str(self.store.resolve()), self.id]
        self.victim = subprocess.Popen(
            [*given, *([moment] if moment else [])], cwd=ROOT, env=self._environment, start_new_session=True
        )
        code = self.victim.wait(timeout=500)
        assert code == -signal.SIGKILL, f"{moment or 'the request'} never came: exit code {code}"
        self._taken_from_the_dead()

    def kill(self) -> None:
        assert self.victim is not None
        self.victim.kill()
        self.victim.wait()

    def _taken_from_the_dead(self) -> None:
        """The lease is over and somebody resumes, without the wait."""

        def later() -> Moment:
            now = present()
            return replace(now, steady_s=now.steady_s + 3600)

        with Store(self.store, clock=later) as opened:
            assert opened.sweep() == [self.id]
            opened.move(self.id, Status.QUEUED, "resumed")

    def live(self) -> End:
        """A life in this process, until it ends by itself."""
        with mock.patch.object(tuner, "POLL_S", POLL_S), mock.patch.object(tuner, "LONGEST_POLL_S", POLL_S):
            work_on(self.store, self.id)
        return self.end

    @property
    def jobs(self) -> list[str]:
        """Ids of the jobs on record."""
        with Reader(self.store) as reader:
            return [one.job for one in reader.tunings(self.id)]

    @property
    def end(self) -> End:
        with Reader(self.store) as reader:
            run, outcome, tunings = reader.run(self.id), reader.outcome(self.id), reader.tunings(self.id)
            cells = reader.cells(self.id)
            decisions = {
                "trials": [(one.order, one.candidate, one.mean) for one in reader.trials(self.id)],
                "cells": sorted(
                    (*map(str, (row.key.candidate, row.key.split, row.key.example)), row.score) for row in cells
                ),
                "rows": [list(one.rows) for one in tunings],
                "losses": [one.facts.get("losses") for one in tunings],
                "adapters": [_digest(one.facts.get("tuned")) for one in tunings],
                "steps": [
                    (one["strategy"], one["candidate"], one["test"]) for one in (outcome.steps if outcome else ())
                ],
            }
        keys = [(row.key.candidate, row.key.split, row.key.example, row.key.rollout) for row in cells]
        assert len(keys) == len(set(keys)), "a row was evaluated twice"
        folder = tunings_folder(self.store, self.id)
        jobs = sorted(one.name for one in folder.iterdir()) if folder.is_dir() else self.jobs
        return End(run.status, run.reason, jobs, decisions)


def _digest(tuned: str | None) -> str | None:
    """Of an adapter's file; a provider's model is told apart by nothing but a job's id, which no two runs share."""
    if tuned is None or not Path(tuned).is_file():
        return None
    return hashlib.sha256(Path(tuned).read_bytes()).hexdigest()


@contextmanager
def embedded(folder: Path) -> Iterator[Any]:
    """Yields `make(name)`: a run of triage on a random network of two layers, with the real trainer and server."""
    write_tiny_model(folder / "tiny.gguf")
    environment = {"MIPRO_STUDIO_GGUF": str(folder / "tiny.gguf"), "MIPRO_STUDIO_EMBEDDED_IDLE_S": "3"}
    rows = CATALOG["triage"].rows()[::20]
    data: dict[str, Any] = {"inputs": ["message"]}
    for name, part in (("train", rows[:6]), ("val", rows[6:11]), ("test", rows[11:14])):
        data[name] = str(folder / f"{name}.jsonl")
        Path(data[name]).write_text("\n".join(map(json.dumps, part)), encoding="utf-8")
    config = {
        "program": "sample:triage",
        "optimizer": "better_together",
        "data": data,
        "search": {"threshold": 0.0, "max_bootstrapped": 2, "max_labeled": 2},
        "finetune": {
            "strategy": STRATEGY,
            "sets": 2,
            "epochs": 30,
            "batch_size": 4,
            "learning_rate": 0.01,
            "rank": 4,
        },
    }
    with mock.patch.dict(os.environ, environment), helpers_inside():
        found = new_runs.inspect(config, rehearse=False)
        yield lambda name: KilledRun(folder / name / "studio.db", found, environment)


def tuned_desk() -> LoopbackEndpoint:
    """A model of the desk: right on every third message, with demos on every second one too, and tuned on all."""
    gold = desk.gold(desk.rows(40))

    def respond(messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
        asked = messages[-1]["content"]
        message = next((text for text in gold if text in asked), None)
        if message is None:  # the check of a request, which asks anything
            return "Yes."
        number = int(message.split()[1])
        right = "studio-" in body["model"] or number % 3 == 0 or (number % 2 == 0 and len(messages) > 2)
        name = "tone" if "## tone ##" in asked else "queue"
        value = gold[message][name]
        wrong = {
            "queue": "account" if value == "billing" else "billing",
            "tone": "calm" if value == "angry" else "angry",
        }
        return f"[[ ## {name} ## ]]\n{value if right else wrong[name]}\n\n[[ ## completed ## ]]"

    return LoopbackEndpoint(in_thread=True, responder=respond)


@contextmanager
def at_provider(folder: Path, model: LoopbackEndpoint, trainer: str) -> Iterator[Any]:
    """Yields `make(name, provider)`: a run of the desk that is tuned by a provider on loopback."""
    rows = desk.rows(40)
    data: dict[str, Any] = {"inputs": ["message"]}
    for name, part in (("train", rows[:14]), ("val", rows[14:24]), ("test", rows[24:30])):
        data[name] = str(folder / f"{name}.jsonl")
        Path(data[name]).write_text("\n".join(map(json.dumps, part)), encoding="utf-8")

    def config(api_base: str) -> dict[str, Any]:
        task = {"model": "openai/task", "api_base": model.base_url, "api_key_env": KEY_VARIABLE}
        finetune = {"strategy": STRATEGY, "sets": 2, "trainer": trainer, "account": "me", "api_base": api_base}
        search = {"threshold": 1.0, "max_bootstrapped": 2, "max_labeled": 2}
        common = {"program": DESK, "optimizer": "better_together", "data": data, "threads": 4}
        return {**common, "task_model": task, "search": search, "finetune": finetune}

    with mock.patch.dict(os.environ, {KEY_VARIABLE: KEY}), helpers_inside():
        found = new_runs.inspect(config("http://127.0.0.1:9"), rehearse=False)

        def make(name: str, provider: Provider) -> KilledRun:
            finetune = {**found["config"]["finetune"], "api_base": provider.url}
            return KilledRun(
                folder / name / "studio.db", {**found, "config": {**found["config"], "finetune": finetune}}, {}
            )

        yield make
