"""A trainer in memory: a job takes a few questions, fails or goes silent as it is told, and is served by a name."""

from collections import Counter

from mipro_studio.optimizer_core.finetuning.job import (
    JobPhase,
    JobStatus,
    TrainerRefused,
    TrainerUnavailable,
    TrainerWaits,
    TrainingJob,
)

__all__ = ["ScriptedTrainer"]


class ScriptedTrainer:
    """See `Trainer`. It outlives the lives of a run, as a provider does.

    Attributes:
        jobs: What was begun, by id; `submitted` counts the requests that reached it.
        silent: So many questions are not answered, from now on.
        lost_answers: So many submissions are taken up while their answer is lost.
        waits: A job that is done is served once a person has done something.
        fails: Jobs that are to fail, by their order from 0.
        questions: Questions that a job takes.
        cost_usd: What a job that succeeds says it cost.
    """

    def __init__(self, questions: int = 3) -> None:
        self.jobs: dict[str, TrainingJob] = {}
        self.submitted: Counter[str] = Counter()
        self.cancelled: set[str] = set()
        self.silent = self.lost_answers = 0
        self.refuses = self.waits = False
        self.fails: set[int] = set()
        self.questions = questions
        self.cost_usd: float | None = 0.0
        self._asked: Counter[str] = Counter()

    def _speak(self) -> None:
        if self.silent:
            self.silent -= 1
            raise TrainerUnavailable("The trainer did not answer.")

    def submit(self, job: TrainingJob) -> None:
        self._speak()
        if self.refuses:
            raise TrainerRefused("The model cannot be tuned.")
        if job.id not in self.jobs:
            self.jobs[job.id] = job
            self.submitted[job.id] += 1
        if self.lost_answers:
            self.lost_answers -= 1
            raise TrainerUnavailable("The answer was lost.")

    def status(self, job: TrainingJob) -> JobStatus:
        self._speak()
        if job.id not in self.jobs:
            return JobStatus(JobPhase.UNSENT)
        assert self.jobs[job.id] == job, "a job with one id is always the same job"
        if job.id in self.cancelled:
            return JobStatus(JobPhase.CANCELLED)
        self._asked[job.id] += 1
        step = min(self._asked[job.id], self.questions)
        losses = tuple(1.0 / number for number in range(1, step + 1))
        if step < self.questions:
            return JobStatus(JobPhase.RUNNING, step, self.questions, losses)
        place = list(self.jobs).index(job.id)
        if place in self.fails:
            return JobStatus(JobPhase.FAILED, step, self.questions, losses, message="out of memory")
        if self.waits:
            raise TrainerWaits("Nobody serves what was tuned.", "Serve it, then resume.")
        return JobStatus(
            JobPhase.SUCCEEDED, step, self.questions, losses, tuned=f"tuned-{place + 1}", cost_usd=self.cost_usd
        )

    def cancel(self, job: TrainingJob) -> None:
        self._speak()
        self.cancelled.add(job.id)
