"""One tuning from its rows to an adapter: submitted once, polled until it is over, taken up again by any later life.

What is known is written down before anything is done with it: the rows and the job's id before the job is sent, that
it may have been sent before it is, what it came to before it is served. So a life that ends anywhere leaves a record
from which the next one goes on with the same job.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from mipro_studio.optimizer_core.errors import BudgetReached, RunFailed, RunPaused
from mipro_studio.optimizer_core.evaluation.pool import WorkPool
from mipro_studio.optimizer_core.evaluation.recorder import Recorder
from mipro_studio.optimizer_core.finetuning.job import (
    JobPhase,
    JobStatus,
    Trainer,
    TrainerRefused,
    TrainerUnavailable,
    TrainerWaits,
    TrainingJob,
    TrainingRow,
)
from mipro_studio.optimizer_core.finetuning.trainers import TrainerChoice
from mipro_studio.optimizer_core.finetuning.training import TrainingSettings
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.types import Event, EventKind, Json, Phase, Tuning, TuningState

__all__ = ["PAID_USD", "Tuner", "as_records", "fresh_job_id", "training_tokens"]

POLL_S = 1.0
LONGEST_POLL_S = 30.0
MOST_FAILURES = 10
"""Questions in a row that the trainer does not answer, after which the run stands still. The job goes on."""
CALL_LIMIT_S = 600.0
"""One question to the trainer; the longest is the upload of the rows."""

PAID_USD = "paid_usd"
CHARS_PER_TOKEN = 4

T = TypeVar("T")


def training_tokens(job: TrainingJob) -> int:
    """Tokens that the job trains on, every epoch counted; from their characters, so an estimate."""
    chars = sum(sum(len(str(message["content"])) for message in row.messages) + len(row.answer) for row in job.rows)
    return job.settings.epochs * chars // CHARS_PER_TOKEN


def fresh_job_id() -> str:
    """An id that no other job has, here or at a provider."""
    return f"studio-{secrets.token_hex(8)}"


def as_records(rows: Sequence[TrainingRow]) -> tuple[Json, ...]:
    """Rows as a `Tuning` holds them."""
    return tuple({**vars(row), "messages": list(row.messages)} for row in rows)


@dataclass(frozen=True)
class Tuner:
    """Runs tunings at one trainer. Belongs to the run's event loop.

    Attributes:
        open_trainer: Makes the trainer when it is first needed: a run that tunes nothing needs no key for it.
        price: Dollars that it asks for a million training tokens, every epoch counted; None where nobody knows.
    """

    choice: TrainerChoice
    settings: TrainingSettings
    open_trainer: Callable[[], Trainer]
    pool: WorkPool
    recorder: Recorder
    meter: Meter
    price: float | None = None

    async def run(self, tuning: Tuning) -> Tuning:
        """`tuning` with what it came to. Where that is an end, it is for the caller to put on record.

        Raises:
            RunFailed: the trainer refused the job, or it failed; resuming tries again under a new id.
            RunPaused: the trainer does not answer, or a person has to do something first; resuming asks for the same
                job again.
            BudgetReached: a cap is reached: the job is cancelled; or it has no room for the job, which is not sent.
            StopRequested: a person asked for it; the job goes on, and resuming takes it up.
        """
        job = self._job(tuning)
        if tuning.state is not TuningState.SENT:
            self._require_room(tuning, job)
        trainer = self.open_trainer()
        status = await self._begun(trainer, job, tuning)
        told = 0
        began = time.monotonic()
        while not status.phase.over:
            told = await self._report(tuning, status, told)
            await self._unless_capped(trainer, job, tuning, status)
            await asyncio.sleep(POLL_S)
            status = await self._ask(lambda: trainer.status(job))
            if status.phase is JobPhase.UNSENT:
                status = await self._begun(trainer, job, tuning)
        await self._report(tuning, status, told)
        return await self._ended(tuning, status, time.monotonic() - began)

    def steps(self, tuning: Tuning) -> int:
        """Optimizer steps that the tuning takes."""
        return TrainingSettings.model_validate(tuning.facts["settings"]).steps(len(tuning.rows))

    def _job(self, tuning: Tuning) -> TrainingJob:
        rows = tuple(TrainingRow(**{**row, "messages": tuple(row["messages"])}) for row in tuning.rows)
        settings = TrainingSettings.model_validate(tuning.facts["settings"])
        return TrainingJob(tuning.job, tuning.facts["base_model"], rows, settings, tuning.facts.get("begins_at"))

    async def _begun(self, trainer: Trainer, job: TrainingJob, tuning: Tuning) -> JobStatus:
        """Submit the job unless the trainer has it, and say how far it is."""
        if tuning.state is not TuningState.SENT:
            await self.recorder.write(replace(tuning, state=TuningState.SENT))
        await self._ask(lambda: trainer.submit(job))
        return await self._ask(lambda: trainer.status(job))

    async def _ask(self, question: Callable[[], T]) -> T:
        """The trainer's answer, by a thread of the pool: a stop or pause is heard of between two questions."""
        failures = 0
        while True:
            try:
                return await self.pool.run(question, 0, CALL_LIMIT_S)
            except TrainerRefused as refused:
                raise RunFailed(f"The training: {refused.message}", refused.hint) from refused
            except TrainerWaits as waiting:
                raise RunPaused(waiting.message, waiting.hint) from waiting
            except TrainerUnavailable as passing:
                failures += 1
                if failures >= MOST_FAILURES:
                    raise RunPaused(
                        f"{self.choice.title} did not answer {failures} times in a row: {passing.message}",
                        "Resume the run when it is back: the job is not lost, and not paid for again.",
                    ) from passing
                await asyncio.sleep(min(POLL_S * 2**failures, LONGEST_POLL_S))

    async def _report(self, tuning: Tuning, status: JobStatus, told: int) -> int:
        """Tell how far it is, and the losses beyond the first `told`."""
        loss = f"loss {status.losses[-1]:.3f}" if status.losses else status.phase.value
        progress = {"phase": Phase.TUNE.value, "done": status.step, "total": status.steps, "note": loss}
        news = [Event(EventKind.PROGRESS, progress)]
        if len(status.losses) > told:
            fresh = {"number": tuning.number, "from": told, "losses": list(status.losses[told:])}
            news.append(Event(EventKind.LOSSES, {**fresh, "steps": status.steps}))
        await self.recorder.write(*news)
        return len(status.losses)

    def _require_room(self, tuning: Tuning, job: TrainingJob) -> None:
        usd = self._expected_usd(job)
        reason = self.meter.cap_reached()
        if not reason and not self.meter.room_for(usd):
            reason = (
                f"The cap on dollars leaves no room for weights {tuning.number}, which take about {usd:.2f} dollars."
            )
        if reason:
            raise BudgetReached(f"{reason} Nothing was sent to be trained.")

    async def _unless_capped(self, trainer: Trainer, job: TrainingJob, tuning: Tuning, status: JobStatus) -> None:
        reason = self.meter.cap_reached()
        if not reason and not self.meter.room_for(status.cost_usd or 0.0):
            reason = "The cap on dollars is reached."
        if reason:
            await self._ask(lambda: trainer.cancel(job))
            said = f"{reason} The training was cancelled."
            paid = self._paid(tuning, status.cost_usd)
            await self.recorder.write(
                replace(tuning, state=TuningState.FAILED, facts={**tuning.facts, **paid, "message": said})
            )
            raise BudgetReached(said)

    def _expected_usd(self, job: TrainingJob) -> float:
        return 0.0 if self.price is None else self.price * training_tokens(job) / 1e6

    def _paid(self, tuning: Tuning, cost_usd: float | None) -> dict[str, Any]:
        """What all jobs of the tuning cost together, which counts under the cap from now on."""
        self.meter.beside_usd += cost_usd or 0.0
        return {PAID_USD: (tuning.facts.get(PAID_USD) or 0.0) + (cost_usd or 0.0)}

    async def _ended(self, tuning: Tuning, status: JobStatus, seconds_s: float) -> Tuning:
        said: dict[str, Any] = {
            "steps": status.steps,
            "losses": list(status.losses),
            "waited_s": round(seconds_s, 1),
            "cost_usd": status.cost_usd,
            "tuned": status.tuned,
            "message": status.message or status.phase.value,
        }
        good = status.phase is JobPhase.SUCCEEDED
        if good and status.cost_usd is None:  # a provider that does not say what it asks for
            said["cost_usd"] = self._expected_usd(self._job(tuning)) if self.price is not None else None
        said |= self._paid(tuning, said["cost_usd"])
        ended = replace(
            tuning, state=TuningState.TUNED if good else TuningState.FAILED, facts={**tuning.facts, **said}
        )
        if not good:
            await self.recorder.write(ended)
            raise RunFailed(
                f"The training of weights {tuning.number} ended as {status.phase.value}: {said['message']}",
                "Resume the run to train once more.",
            )
        return ended
