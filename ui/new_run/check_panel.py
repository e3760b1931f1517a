"""What the check found: predictors, splits, plan, warnings, and whether the run can start."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.roles import ROLE_TITLES
from mipro_studio.optimizer_core.types import Role
from mipro_studio.ui.live.spending import role_plan
from mipro_studio.ui.new_run.data_report import data_report, short_first
from mipro_studio.ui.new_run.pace import time_words
from mipro_studio.ui.new_run.rehearsal_view import refused, tried
from mipro_studio.ui.page.notices import notice, problem
from mipro_studio.ui.page.uploads import alone
from mipro_studio.ui.text.foreign_text import line, paragraph
from mipro_studio.ui.text.format import between, clean, count, dollars, one_line, plural

__all__ = ["consent", "found", "leaves", "looked_at", "not_complete", "planned", "why_not"]

Found = Mapping[str, Any]


def why_not(config: RunConfig | BadInput, checked: tuple[RunConfig, Any] | None) -> str:
    """The reason on a Start button that is off; empty when it is on."""
    if isinstance(config, BadInput):
        return str(config)
    if checked is None:
        return "Check first: it shows what the run would do and cost."
    if checked[0] != config:
        return "The settings have changed since the check. Check again."
    if refused(checked[1]):
        return "It failed when it was tried. Mend it and check again, or start all the same."
    return str(checked[1]) if isinstance(checked[1], StudioError) else ""


def consent(checked: tuple[RunConfig, Any] | None) -> str:
    """Ask for a yes where a cap cannot be held; the reason on a Start button that is off until it is given."""
    unheld = [] if checked is None or isinstance(checked[1], StudioError) else checked[1].get("consent") or []
    for sentence in unheld:
        notice("A cap that cannot be held", clean(sentence), icon=":material/money_off:", colour="orange")
    # By what is agreed to: another cap is asked about again.
    if unheld and not st.checkbox("Start without that cap", key=f"nr_agreed {' '.join(unheld)}"):
        return "A cap cannot be held. Say that you want to start without it, or change it and check again."
    return ""


def not_complete(error: BadInput) -> None:
    """What the form still lacks."""
    notice("Not complete yet", str(error), icon=":material/pending:", colour="gray")


def leaves(sentences: Sequence[str]) -> None:
    """What leaves this machine."""
    if not sentences:
        st.badge("Nothing leaves this machine", icon=":material/lock:", color="green")
        return
    st.badge("This leaves your machine", icon=":material/cloud_upload:", color="orange")
    for sentence in sentences:
        st.text(clean(sentence))


def found(config: RunConfig, answer: Found | StudioError) -> None:
    """How the program did when it was tried and what to know before the start, or what is wrong."""
    if isinstance(answer, StudioError):
        problem(answer, "The check found a problem", alone(config.program, str(answer)))
        return
    tried(answer)
    warnings = answer.get("warnings") or []
    if warnings:
        st.badge(f"{len(warnings)} to know before you start", icon=":material/warning:", color="orange")
        for warning in warnings:
            st.text(clean(warning))


def looked_at(answer: Found | StudioError) -> None:
    """The program, its metric and the rows as the inspection found them; nothing of one that failed."""
    if not isinstance(answer, StudioError):
        _program(answer)
        _data(answer.get("data") or {})


def planned(draft: Mapping[str, Any] | BadInput | None, seconds: float | None = None, threads: int = 1) -> None:
    """The plan of the settings as they stand; it follows the form.

    Args:
        seconds: Of one program run; None where nothing was measured.
    """
    if draft is None:
        st.caption("Check once to see the plan: it needs the program and the rows. After that it follows the form.")
    elif isinstance(draft, BadInput):
        notice("No plan", str(draft), icon=":material/pending:", colour="orange")
    else:
        _plan(draft["plan"], seconds, threads)


def _program(answer: Found) -> None:
    program, metric = answer.get("program") or {}, answer.get("metric") or {}
    predictors = program.get("predictors") or []
    line(f"{program.get('name', 'program')}: {plural(len(predictors), 'predictor')}", bold=True)
    for predictor in predictors:
        inputs, outputs = ", ".join(predictor.get("inputs", ())), ", ".join(predictor.get("outputs", ()))
        label = f"{predictor.get('name')} · {predictor.get('kind')}({inputs}) -> {outputs}"
        line(label, muted=True)
        paragraph(one_line(predictor.get("instructions") or "(no instruction)", 400))
    if metric.get("doc"):
        line(f"Metric: {metric.get('name', 'not named')}. {metric['doc']}", muted=True)


def _data(data: Found) -> None:
    splits = data.get("splits") or {}
    words = ", ".join(f"{name} {count(splits.get(name, 0))}" for name in ("train", "val", "test"))
    line(f"{plural(data.get('n_rows', 0), 'row')}: {words}", bold=True)
    preview = data.get("preview") or []
    if preview:
        rows = short_first([{name: one_line(value, 200) for name, value in row.items()} for row in preview])
        st.dataframe(rows, hide_index=True, height=180, alt="The first rows", key="nr_preview")
    if report := data.get("report"):
        data_report(report)


def _plan(plan: Found, seconds: float | None, threads: int) -> None:
    runs, calls = plan.get("program_runs") or {}, plan.get("lm_calls") or {}
    line("The plan", bold=True)
    first = {
        "Trials": count(plan.get("trials")),
        "Program runs before the test": between(runs.get("total")),
        "Program runs of the sealed test": between(runs.get("test")),
        "Dollars": dollars(plan.get("usd")).replace("$", "\\$"),
    }
    if time := time_words(runs.get("total"), seconds, threads):
        first["Time, at the check's pace"] = time
    st.table(first, border="horizontal", alt="What the run is planned to take")
    for note in plan.get("notes") or []:
        line(note, muted=True)
    phases = {
        "Trying it first": between(runs.get("rehearsal", 0)),
        "Bootstrapping demos": between(runs.get("bootstrap")),
        "The program as it came": between(runs.get("baseline")),
        "Candidates on some rows": between(runs.get("minibatch")),
        "Candidates on the other rows too": between(runs.get("full")),
    }
    models = {
        **{
            f"LM calls, {title.lower()}": role_plan(plan, role)
            for role, title in ROLE_TITLES.items()
            if role in calls or role not in (Role.JUDGE, Role.JUDGE_TEST)
        },
        **_tokens(plan.get("tokens")),
    }
    with st.expander("Program runs by phase, calls and tokens by model"):
        st.table(phases, border="horizontal", alt="Planned program runs by phase")
        st.table(models, border="horizontal", alt="Planned LM calls and tokens by role")


def _tokens(tokens: object) -> dict[str, str]:
    """A row a role, or one for all of them."""
    if not isinstance(tokens, Mapping):
        return {"Tokens": between(tokens)}
    roles = {role.value: title.lower() for role, title in ROLE_TITLES.items()}
    return {f"Tokens, {roles.get(name, one_line(name, 20))}": between(bounds) for name, bounds in tokens.items()}
