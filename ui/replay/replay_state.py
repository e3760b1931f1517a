"""A run as it stood at a moment: trials, best so far, spending, rebuilt from the times on its rows. No Streamlit."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from mipro_studio.optimizer_core.types import EventKind, Outcome, Phase, Role, Split, Trial, TrialKind, Usage
from mipro_studio.storage import Reader, RunSummary, StoredEvent
from mipro_studio.ui.live.live_view import QUIET
from mipro_studio.ui.text.events import event_words
from mipro_studio.ui.text.format import duration, elapsed_s
from mipro_studio.ui.text.status import phase_words

__all__ = ["History", "Moment", "State", "history"]

_LEFT_OUT = (EventKind.PROGRESS, *QUIET)


@dataclass(frozen=True, slots=True)
class Moment:
    """A step of the slider: its time and what happened then."""

    at: str
    words: str


@dataclass(frozen=True, slots=True)
class State:
    """The run at the time `at`.

    `spent` is by role; the prompt model's calls carry no time, so all of them count once proposing is over.
    """

    at: str
    trials: list[Trial]
    program_runs: int
    spent: Mapping[Role, Usage]
    elapsed_s: float
    events: list[StoredEvent]
    outcome: Outcome | None


@dataclass(frozen=True)
class History:
    """Everything with its time, sorted, so that a state is a few look-ups.

    `moments` are the slider's steps and `labels` what it says of them: `1 m 20 s · trial 12, minibatch`.
    """

    run: RunSummary
    moments: Sequence[Moment]
    labels: Sequence[str]
    trials: Sequence[tuple[Trial, str, str | None]]
    events: Sequence[StoredEvent]
    outcome: Outcome | None
    cell_times: Sequence[str]
    cell_counts: Sequence[int]
    cell_sums: Sequence[Mapping[Role, Usage]]
    prompt: Usage | None
    proposed_at: str
    spending: Mapping[Role, Usage]

    def state(self, index: int) -> State:
        """The run as it was right after moment `index`."""
        at = self.moments[index].at
        trials = [
            trial if done_at is not None and done_at <= at else _in_flight(trial)
            for trial, asked_at, done_at in self.trials
            if asked_at <= at
        ]
        cells = bisect_right(self.cell_times, at)
        spent = dict(self.cell_sums[cells - 1]) if cells else {}
        if self.prompt is not None and self.proposed_at <= at:
            spent[Role.PROMPT] = self.prompt
        if index == len(self.moments) - 1:
            spent = {**self.spending}  # with the work that was lost on the way, as every page counts it
        return State(
            at,
            trials,
            self.cell_counts[cells - 1] if cells else 0,
            spent,
            elapsed_s(_start(self.run), at) or 0.0,
            [event for event in self.events if event[1] <= at],
            self.outcome if index == len(self.moments) - 1 else None,
        )


def _start(run: RunSummary) -> str:
    return run.started_at or run.created_at


def _in_flight(trial: Trial) -> Trial:
    return replace(trial, done=False, mean=None, objective=None, n_ok=0, n_error=0)


def history(reader: Reader, run: RunSummary) -> History:
    """Read a run once, for every moment of it."""
    with reader.snapshot():
        times = reader.trial_times(run.id)
        trials = [(trial, *times[trial.order]) for trial in reader.trials(run.id)]
        events = reader.recent_events(run.id, 1_000_000, _LEFT_OUT)
        cells = reader.spending(run.id)
        spending = reader.spent(run.id)
        outcome = reader.outcome(run.id)
    moments = _moments(run, trials, events)
    return History(
        run,
        moments,
        [f"{duration(elapsed_s(_start(run), moment.at))} · {moment.words}" for moment in moments],
        trials,
        events,
        outcome,
        [at for at, *_ in cells],
        list(accumulate(n for _, _, n, _ in cells)),
        _sums(cells),
        spending.get(Role.PROMPT),
        _proposed_at(events, run),
        spending,
    )


_ROLES = {Split.TRAIN: Role.TEACHER, Split.VAL: Role.TASK, Split.TEST: Role.TEST}


def _sums(cells: Sequence[tuple[str, Split, int, Usage]]) -> list[Mapping[Role, Usage]]:
    sums: list[Mapping[Role, Usage]] = []
    total: dict[Role, Usage] = {}
    for _, split, _, usage in cells:
        role = _ROLES[split]
        total = {**total, role: total.get(role, Usage()) + usage}
        sums.append(total)
    return sums


def _proposed_at(events: Sequence[StoredEvent], run: RunSummary) -> str:
    """When the search began: by then the first instructions were written. The present, where it did not yet."""
    began = [
        at for _, at, event in events if event.kind == EventKind.PHASE and event.data.get("phase") == Phase.SEARCH
    ]
    return min(began, default=run.updated_at)


def _moments(
    run: RunSummary, trials: Sequence[tuple[Trial, str, str | None]], events: Sequence[StoredEvent]
) -> list[Moment]:
    found = [Moment(run.created_at, "created")]
    for trial, _, done_at in trials:
        if done_at is not None:
            found.append(Moment(done_at, _trial_words(trial)))
    for _, at, event in events:
        if event.kind == EventKind.PHASE:
            words = phase_words(str(event.data.get("phase", "")), int(event.data.get("total") or 0))
            found.append(Moment(at, words.lower()))
        elif event.kind == EventKind.STATUS:
            found.append(Moment(at, event_words(event).split(":")[0]))
    ordered = sorted(found, key=lambda moment: moment.at)
    # Two things at one instant are one step of the slider: the later said.
    return [moment for moment, after in zip(ordered, [*ordered[1:], None], strict=True)
            if after is None or after.at != moment.at]  # fmt: skip


def _trial_words(trial: Trial) -> str:
    if trial.kind is TrialKind.BASELINE:
        return "baseline scored"
    return f"trial {trial.number}, {'full evaluation' if trial.kind is TrialKind.FULL else 'minibatch'}"
