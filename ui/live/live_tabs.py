"""The lower part of the live page, one tab at a time: best candidate, trials, errors, log."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.types import Candidate, DemoSet, ErrorClass, Instruction, Trial, TrialKind
from mipro_studio.storage import LiveView, Reader
from mipro_studio.ui.text.events import event_words
from mipro_studio.ui.text.foreign_text import line, paragraph
from mipro_studio.ui.text.format import UNKNOWN, ago, clean, count, one_line, plural, score

__all__ = ["candidate_tab", "errors_tab", "log_tab", "trials_tab"]

LATEST = 50

WIDE: Any = {"message": st.column_config.Column(width="large"), "details": st.column_config.Column(width="large")}

_KINDS = {TrialKind.BASELINE: "baseline", TrialKind.MINIBATCH: "minibatch", TrialKind.FULL: "full evaluation"}

_ERRORS: Mapping[str, str] = {
    ErrorClass.RATE_LIMIT: "rate limit",
    ErrorClass.SERVER: "server error",
    ErrorClass.CONNECTION: "no connection",
    ErrorClass.TIMEOUT: "timeout",
    ErrorClass.AUTH: "key refused",
    ErrorClass.MODEL: "model refused",
    ErrorClass.REFUSAL: "refused by a filter or the model",
    ErrorClass.REQUEST: "request not taken",
    ErrorClass.CONTEXT: "context window",
    ErrorClass.EMPTY: "empty reply",
    ErrorClass.MALFORMED: "no reply of a model",
    ErrorClass.PARSE: "reply not readable",
    ErrorClass.PROGRAM: "program raised",
    ErrorClass.METRIC: "metric raised",
    ErrorClass.CRASH: "process ended",
}


def candidate_tab(reader: Reader, run_id: str, candidate_id: str | None) -> None:
    """Instruction and demos of every predictor; the seed's when no candidate leads."""
    instructions = reader.instructions(run_id)
    demo_sets = reader.demo_sets(run_id)
    named = [item.predictor for item in instructions] + [item.predictor for item in demo_sets]
    predictors = list(dict.fromkeys(named))
    if not predictors:
        st.caption("Nothing has been written yet: demos are bootstrapped first, then instructions are proposed.")
        return
    chosen = _chosen(candidate_id, len(predictors))
    if candidate_id is None:
        st.caption("No candidate leads yet. This is the program as it came: the baseline.")
    for predictor, (instruction, demos) in zip(predictors, chosen.choices, strict=True):
        with st.container(border=True, gap="small"):
            line(predictor, bold=True)
            _instruction(instructions, predictor, instruction)
            _demos(demo_sets, predictor, demos)


def _chosen(candidate_id: str | None, n: int) -> Candidate:
    try:
        chosen = Candidate.parse(candidate_id or "")
    except ValueError:
        return Candidate.baseline(n)
    return chosen if len(chosen.choices) == n else Candidate.baseline(n)


def _instruction(instructions: Sequence[Instruction], predictor: str, index: int) -> None:
    found = next((i for i in instructions if i.predictor == predictor and i.index == index), None)
    if found is None:
        st.caption("Its instruction is not recorded yet.")
        return
    by = {"seed": "as it came with the program", "model": "written by the prompt model", "person": "by a person"}
    st.caption(f"Instruction {index}, {by[found.author.value]}")
    paragraph(found.text)


def _demos(demo_sets: Sequence[DemoSet], predictor: str, index: int) -> None:
    found = next((d for d in demo_sets if d.predictor == predictor and d.index == index), None)
    if found is None or not found.demos:
        st.caption(f"Demo set {index}: none (zero-shot)")
        return
    st.caption(f"Demo set {index}: {plural(len(found.demos), 'demo')}, {one_line(found.kind).replace('_', ' ')}")
    rows = [
        {name: one_line(value, 300) for name, value in demo.fields.items()}
        | {"answers from": "teacher" if demo.augmented else "labels"}
        for demo in found.demos
    ]
    st.dataframe(rows, hide_index=True, alt=f"Demos of set {index}")


def trials_tab(view: LiveView) -> None:
    """Every trial, the latest first."""
    if not view.trials:
        st.caption("No trial has been asked for yet.")
        return
    rows = [_trial_row(trial, view) for trial in reversed(view.trials)]
    st.dataframe(rows, hide_index=True, key="live_trials", alt="All trials, the latest first")


def _trial_row(trial: Trial, view: LiveView) -> dict[str, Any]:
    asked_at, done_at = view.times.get(trial.order, ("", None))
    return {
        "trial": UNKNOWN if trial.kind is TrialKind.BASELINE else str(trial.number),
        "kind": _KINDS[trial.kind],
        "candidate": one_line(trial.candidate),
        "score": score(trial.mean) if trial.done else "in flight",
        **({} if trial.objective is None else {"objective": score(trial.objective)}),
        "n": trial.n_ok,
        "errors": trial.n_error,
        "program runs": trial.program_runs,
        "when": ago(done_at or asked_at),
    }


def errors_tab(reader: Reader, run_id: str, by_class: Mapping[str, int]) -> None:
    """Examples without a score, by class, with the latest messages."""
    if not by_class:
        st.caption("No example has failed. An example that fails has no score; it is never counted as 0.")
        return
    total = sum(by_class.values())
    words = ", ".join(f"{_ERRORS.get(name, name)} {count(n)}" for name, n in by_class.items())
    st.text(f"{plural(total, 'example')} without a score: {words}.")
    st.caption("They enter no mean and the search does not see them. Those that pass with time are retried.")
    rows = [
        {
            "when": ago(error.at),
            "class": _ERRORS.get(error.error, error.error),
            "message": clean(error.message)[:2000],
            "candidate": one_line(error.key.candidate),
            "example": one_line(error.key.example),
        }
        for error in reader.recent_errors(run_id, LATEST)
    ]
    st.dataframe(rows, hide_index=True, key="live_errors", alt="The latest errors", column_config=WIDE)


def log_tab(view: LiveView) -> None:
    """What happened, the latest first."""
    if not view.events:
        st.caption("Nothing has happened yet.")
        return
    rows = [
        {"when": ago(at), "event": one_line(event.kind).replace("_", " "), "details": event_words(event)}
        for _, at, event in reversed(view.events)
    ]
    st.dataframe(rows, hide_index=True, key="live_log", alt="Event log, the latest first", column_config=WIDE)
