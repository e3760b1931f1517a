"""What a run has spent: by role, and against plan and caps."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.roles import ROLE_TITLES
from mipro_studio.optimizer_core.types import EventKind, Role, Status, Usage
from mipro_studio.storage import LiveView, Reader, RunSummary
from mipro_studio.ui.text.format import UNKNOWN, between, clean, cost_of, count, duration, estimated, of, usd

__all__ = ["caps", "limits_line", "role_plan", "spending_table"]


def role_plan(plan: Mapping[str, Any], role: Role) -> str:
    """Planned LM calls of a role: `1,380 to 2,540`."""
    planned = (plan.get("lm_calls") or {}).get(role.value)
    return between(planned) if planned is not None else UNKNOWN


def spending_table(spending: Mapping[Role, Usage], plan: Mapping[str, Any], *, ablated: bool = False) -> None:
    """Calls, tokens and dollars of every role that has worked or is planned to.

    Args:
        ablated: What each part of the winner brings was measured, or is.
    """
    planned = plan.get("lm_calls") or {}
    rows = [
        {
            "role": title,
            "calls": count(spent.calls),
            **({"planned": role_plan(plan, role)} if planned else {}),
            "tokens in": estimated(spent, count(spent.input_tokens)),
            "tokens out": estimated(spent, count(spent.output_tokens)),
            "cost": cost_of(spent),
        }
        for role, title in ROLE_TITLES.items()
        if role in spending or role.value in planned
        for spent in [spending.get(role, Usage())]
    ]
    if not rows:
        st.caption("Nothing has been spent yet.")
        return
    st.table(rows, border="horizontal", hide_index=True, alt="LM calls, tokens and cost by role")
    if ablated:
        st.caption("The calls that measure what each part brings are counted with those of the sealed test.")
    if any(usage.estimated_tokens for usage in spending.values()):
        st.caption("≈ The endpoint does not say how many tokens a call took; a tokenizer counted them here.")


def caps(view: LiveView, budget: Mapping[str, Any]) -> None:
    """Used against every cap that is set; the sealed test is under none."""
    spent, run = view.capped_spent, view.summary
    used: list[tuple[str, float | None, float | None, str]] = [
        ("program runs", run.cells_ok + run.cells_error - view.test_cells, budget.get("max_program_runs"), ""),
        ("LM calls", spent.calls, budget.get("max_lm_calls"), ""),
        ("tokens", spent.input_tokens + spent.output_tokens, budget.get("max_tokens"), ""),
        ("dollars", spent.cost_usd, budget.get("max_usd"), "usd"),
        ("minutes", run.wall_s / 60, budget.get("max_minutes"), "minutes"),
    ]
    capped = [row for row in used if row[2] is not None]
    for name, value, cap, kind in capped:
        share = 0.0 if value is None or not cap else min(1.0, value / cap)
        st.progress(share, text=f"{_words(value, cap, kind)} {name}" if not kind else _words(value, cap, kind))
    if not capped:
        st.caption("No cap is set: the run ends with its last trial.")


def _words(value: float | None, cap: float | None, kind: str) -> str:
    if kind == "usd":
        return f"{usd(value)} at prices that are known, of {usd(cap)}".replace("$", "\\$")
    if kind == "minutes":
        return f"{duration((value or 0) * 60)} of {duration((cap or 0) * 60)}"
    return of(value, cap)


def limits_line(reader: Reader, run: RunSummary) -> None:
    """How many calls the endpoints are given, while the run works: found out from what they answer."""
    told = reader.latest_event(run.id, EventKind.LIMITS) if run.status is Status.RUNNING else None
    if told is None:
        return
    parts = []
    for endpoint, limit in told.data.items():
        rate = "" if limit["a_second"] is None else f", {limit['a_second']:g} a second"
        parts.append(f"{clean(endpoint)} {limit['at_once']} of {limit['most']}{rate}")
    st.caption(f"Calls at once: {'; '.join(parts)}")
