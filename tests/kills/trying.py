"""Each moment once: a run is killed there, resumed, and held against one that was not killed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mipro_studio.optimizer_core.types import Status
from tests.kills.moments import COMMITS, FILES
from tests.kills.runs import End, KilledRun, at_provider, embedded, tuned_desk
from tests.optimizer_core.finetuning.providers import ON_LOOPBACK, Provider

__all__ = ["MOMENTS", "Tried", "embedded_kills", "provider_kills"]

MOMENTS = (*COMMITS, *FILES)
POLLS = 3
"""Questions about a job that runs before it is done."""
LOST = (500, None, "lost", None, 503, None, "lost", 429)
"""Fates of the first requests of the life that resumes."""


@dataclass(frozen=True)
class Tried:
    """One moment, and what was not as it should be."""

    moment: str
    broken: Sequence[str]


def _judged(moment: str, whole: End, run: KilledRun, before: Sequence[str], end: End) -> Tried:
    """`before`: the jobs on record when the run was killed."""
    broken = [] if end.status is Status.COMPLETED else [f"it ended as {end.status}: {end.reason}"]
    broken += [f"the job {job} is lost" for job in before if job not in end.jobs or job not in run.jobs]
    if len(end.jobs) != 1:
        broken.append(f"{len(end.jobs)} jobs")
    different = [name for name, value in whole.decisions.items() if end.decisions[name] != value]
    return Tried(moment, broken + [f"other {name}" for name in different])


def embedded_kills(folder: Path, moments: Iterable[str] = MOMENTS) -> Iterator[Tried]:
    """With the trainer of this machine, on a very small network."""
    with embedded(folder) as make:
        whole = make("whole").live()
        assert whole.status is Status.COMPLETED, whole
        for number, moment in enumerate(moments):
            run = make(f"run-{number}")
            run.doomed(moment)
            before = run.jobs
            yield _judged(moment, whole, run, before, run.live())


def provider_kills(
    folder: Path, name: str, requests: Iterable[int] = (), before_and_after: Sequence[bool] = (False, True)
) -> Iterator[Tried]:
    """With a provider on loopback, killed before and after it did what a request asks; polls are lost after that.

    Args:
        requests: Numbers of requests, from 1; none = all that a run makes.
        before_and_after: False: killed before the provider does it; True: when it has.
    """
    with tuned_desk() as model, at_provider(folder, model, name) as make:
        with ON_LOOPBACK[name]() as provider:
            provider.watch = _Job(provider)
            whole = make("whole", provider).live()
            assert whole.status is Status.COMPLETED and provider.submitted == 1, whole
        for number in list(requests) or range(1, provider.answered + 1):
            for done in before_and_after:
                yield _killed_at(number, done, make, whole, ON_LOOPBACK[name])


def _killed_at(
    number: int,
    done: bool,
    make: Callable[[str, Provider], KilledRun],
    whole: End,
    serve: Callable[[], Iterator[Provider]],
) -> Tried:
    moment = f"request {number}, {'done and not answered' if done else 'not done'}"
    with serve() as provider:
        run = make(f"request-{number}-{done}", provider)
        provider.watch = _Job(provider, lambda n, is_done: (n, is_done) == (number, done), run.kill)
        run.doomed()
        before, provider.faults, provider.watch = run.jobs, list(LOST), _Job(provider)
        tried = _judged(moment, whole, run, before, run.live())
        if provider.submitted != 1:
            tried = Tried(moment, [*tried.broken, f"submitted {provider.submitted} times"])
        return tried


class _Job:
    """Lets a provider's job run for some questions after it was submitted; kills whoever asks when it is time."""

    def __init__(
        self,
        provider: Provider,
        is_time: Callable[[int, bool], bool] = lambda number, done: False,
        kill: Callable[[], None] = lambda: None,
    ) -> None:
        self._provider, self._is_time, self._kill = provider, is_time, kill
        self._asked = 0

    def __call__(self, number: int, done: bool) -> bool:
        self._asked += done and self._provider.submitted > 0
        self._provider.state = "completed" if self._asked > 2 * POLLS else "running"
        if not self._is_time(number, done):
            return False
        self._kill()
        return True
