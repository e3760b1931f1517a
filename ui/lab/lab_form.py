"""Setting up a lab session: whose program and rows, which settings of the switches, how many instructions each."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.catalogue import OPTIMIZERS
from mipro_studio.optimizer_core.config import EMBEDDED, TIPS, RunConfig, Variant, parse_config
from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.types import Role
from mipro_studio.storage import RunSummary
from mipro_studio.ui.home.samples import all_samples, sample_values
from mipro_studio.ui.new_run.check_panel import leaves, not_complete
from mipro_studio.ui.new_run.form_models import model
from mipro_studio.ui.new_run.form_words import KEPT
from mipro_studio.ui.new_run.model_fields import ENDPOINT, OWN, SAME, model_spec, model_state
from mipro_studio.ui.page import actions
from mipro_studio.ui.page.drafts import drafter
from mipro_studio.ui.page.frame import LAB
from mipro_studio.ui.page.notices import notice, problem
from mipro_studio.ui.page.store import reading
from mipro_studio.ui.text.data_leaving import leaving
from mipro_studio.ui.text.format import between, clean, one_line, plural

__all__ = ["DEFAULTS", "lab_config", "lab_form", "learn_config"]

DEFAULTS: list[dict[str, Any]] = [
    {"name": "everything", "tip": "none"},
    {"name": "everything, simple", "tip": "simple"},
    {"name": "no dataset summary", "dataset_summary": False},
    {"name": "no demos", "demos": False},
    {"name": "nothing but the seed", "dataset_summary": False, "program_summary": False, "demos": False},
]
_COLUMNS = ("name", "dataset_summary", "program_summary", "demos", "tip", "temperature")


def lab_config(source: Mapping[str, Any], rows: list[dict[str, Any]], samples: int, seed: int) -> RunConfig:
    """A lab session on the program, rows and models of `source`.

    Raises:
        BadInput: there is no variant, one has no name, or two have the same.
    """
    variants = [{name: row[name] for name in _COLUMNS if row.get(name) is not None} for row in rows]
    variants = [row for row in variants if str(row.get("name") or "").strip()]
    names = [row["name"] for row in variants]
    if not variants:
        raise BadInput("There is no setting to compare.", "Add a row with a name.")
    if len(set(names)) < len(names):
        raise BadInput("Two settings have the same name.", "Give each a name of its own.")
    made = [Variant.model_validate(row) for row in variants] if _valid(variants) else []
    switches = {name: any(getattr(one, name) for one in made) for name in _COLUMNS[1:4]}
    proposer = {**source.get("proposer", {}), **switches}
    kept = {name: value for name, value in source.items() if name not in ("search", "preset", "review", "budget")}
    named = str(source.get("name") or str(source["program"]).splitlines()[0].removeprefix("sample:"))
    lab = {"variants": variants, "samples": samples}
    changes = {"optimizer": "lab", "lab": lab, "proposer": proposer, "seed": seed, "name": f"Lab: {named}"[:80]}
    return parse_config({**kept, **changes})


def _valid(variants: list[dict[str, Any]]) -> bool:
    parse_config({"program": "", "lab": {"variants": variants}})  # says which value is wrong, in one sentence
    return True


def learn_config(session: Mapping[str, Any], cap: int, n_val: int) -> RunConfig:
    """A search over the switches on what a session was about, within `cap` program runs."""
    given = RunConfig.model_validate(session)
    variants = session["lab"]["variants"]
    tips = list(dict.fromkeys(one["tip"] for one in variants))
    batch = min(given.search.minibatch_size, n_val)
    # The baseline and a last full evaluation are paid for from the same cap; a full one every five trials besides.
    trials = max(2, int((cap - 2 * n_val) / (batch + max(0, n_val - batch) / 5)))
    kept = {name: value for name, value in session.items() if name not in ("search", "lab", "review")}
    return parse_config(
        {
            **kept,
            "optimizer": "zero_shot_mipro_pp",
            "name": str(session.get("name", "")).replace("Lab:", "Switches:"),
            "proposer": {**session["proposer"], "tips": tips if len(tips) > 1 else list(TIPS)},
            "search": {"trials": trials, "minibatch_size": batch},
            "budget": {**session.get("budget", {}), "max_program_runs": cap},
        }
    )


def lab_form(runs: list[RunSummary]) -> None:
    """The form, what the session would take and send, and the button that starts it."""
    samples = {f"sample:{sample.name}": f"Sample: {sample.title}" for sample in all_samples()}
    earlier = {run.id: f"As in {one_line(run.name, 50)} ({run.id})" for run in runs if run.optimizer in OPTIMIZERS}
    titles = {**samples, **earlier}
    if st.session_state.get("lab_source") not in titles:
        st.session_state.pop("lab_source", None)
    source = st.selectbox(
        "Program, rows and models", list(titles), key="lab_source", format_func=titles.__getitem__,
        help="Of a sample, or of an earlier run with all its models.", **KEPT,
    )  # fmt: skip
    for key, value in model_state(Role.PROMPT, None).items():
        st.session_state.setdefault(key, value)
    model(Role.PROMPT, "Prompt model", "Writes the instructions.", [SAME, OWN, ENDPOINT], same="As chosen above")
    rows = _variants()
    left, middle, _ = st.columns(3, vertical_alignment="bottom")
    each = left.number_input("Instructions for each setting and predictor", 1, 20, 2, key="lab_samples", **KEPT)
    seed = middle.number_input("Seed", 0, None, 0, step=1, key="lab_seed", help="The same for all settings.", **KEPT)
    try:
        config = lab_config(_with_prompt_model(_source(source)), rows, int(each), int(seed))
    except StudioError as error:
        st.button("Write instructions", key="lab_start", type="primary", disabled=True, help=str(error))
        not_complete(BadInput(str(error)))
        return
    takes = st.container()
    if config.model_for(Role.PROMPT).model == EMBEDDED:
        st.caption("The embedded model is a poor writer of instructions; an endpoint shows what switches can do.")
    leaves(leaving(config))
    if st.button("Write instructions", key="lab_start", type="primary", icon=":material/play_arrow:"):
        with st.spinner("Looking at the program and its data…"):
            run_id = actions.start(config.model_dump(mode="json", exclude_unset=True))
        if run_id is not None:
            st.switch_page(LAB.path, query_params={"run": run_id})
    refusal = actions.take_refusal()
    if refusal is not None:
        problem(refusal, "The session was not started")
    with takes:  # last, as the first plan waits for a process to start
        _takes(config)


def _source(chosen: str) -> dict[str, Any]:
    if chosen.startswith("sample:"):
        return sample_values(chosen.removeprefix("sample:"))
    with reading() as reader:
        return reader.config(chosen) if reader is not None else {}


def _with_prompt_model(source: dict[str, Any]) -> dict[str, Any]:
    spec = model_spec(st.session_state, Role.PROMPT)
    return source if spec is None else {**source, "prompt_model": spec}


def _variants() -> list[dict[str, Any]]:
    import pandas as pd  # only here, and Streamlit has it

    plain = Variant(name="").model_dump()
    table = pd.DataFrame([{**plain, **row} for row in DEFAULTS], columns=list(_COLUMNS))
    column = st.column_config
    edited = st.data_editor(
        table, key="lab_variants", num_rows="dynamic", hide_index=True,
        column_config={
            "name": column.TextColumn("Setting", required=True, width=140),
            "dataset_summary": column.CheckboxColumn("Data", default=True, width=70, help="Dataset summary"),
            "program_summary": column.CheckboxColumn("Program", default=True, width=84, help="Program summary"),
            "demos": column.CheckboxColumn("Demos", default=True, width=76, help="Bootstrapped demos"),
            "tip": column.SelectboxColumn("Tip", options=list(TIPS), default="none", required=True, width=96),
            "temperature": column.NumberColumn(
                "Temp.", min_value=0.0, max_value=2.0, step=0.1, default=1.0, required=True, width=70,
                help="Temperature of the prompt model",
            ),
        },
    )  # fmt: skip
    found: list[dict[str, Any]] = edited.to_dict("records")
    return [{name: value for name, value in row.items() if not pd.isna(value)} for row in found]


def _takes(config: RunConfig) -> None:
    try:
        with st.spinner("Working out what it would take…"):
            draft = drafter().plan(config.model_dump(mode="json", exclude_unset=True))
    except BadInput as error:
        notice("No plan", clean(error), icon=":material/pending:", colour="orange")
        return
    written = len(config.lab.variants) * config.lab.samples
    if draft is None:
        st.caption(f"{plural(written, 'instruction')} for each predictor, and the summaries they are shown.")
        return
    plan, n = draft["plan"], len(draft["facts"]["predictors"])
    words = f"{plural(written * n, 'instruction')} for {plural(n, 'predictor')}"
    calls = between(plan["lm_calls"]["prompt"])
    shown = between(plan["program_runs"]["bootstrap"])
    st.caption(f"{words}: {calls} calls of the prompt model, {shown} program runs for its demos. Nothing is scored.")
