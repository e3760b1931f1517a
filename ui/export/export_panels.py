"""What can be taken home of a run: the program, the plain messages and their check, the report, the replay file."""

import io
import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from mipro_studio.control import take_home
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.types import Split, Status
from mipro_studio.storage import Reader, RunSummary, default_store
from mipro_studio.ui.compare.compare_data import Choices, choices
from mipro_studio.ui.export.report import report_html
from mipro_studio.ui.page.frame import query, tell_url
from mipro_studio.ui.page.notices import problem
from mipro_studio.ui.text.foreign_text import paragraph
from mipro_studio.ui.text.format import clean, clip, one_line, plural, score

__all__ = ["check_panel", "messages_panel", "pick_candidate", "program_panel", "replay_panel", "report_panel"]

_MADE, _CHECKED = "export_made", "export_checked"
_FILES = {"program.json": "program", "load_program.py": "snippet", "messages.json": "messages"}
"""Name of each file, and the part of what was made that is in it."""


def pick_candidate(reader: Reader, run: RunSummary) -> str | None:
    """The candidate that is taken home: the winner or best so far unless another one is chosen."""
    found: Choices = choices(reader, run.id, Split.VAL)
    start = found.best or found.baseline
    if start is None:
        return None
    if st.session_state.get("export_candidate") not in found.labels:
        asked = query("a")
        st.session_state["export_candidate"] = asked if asked in found.labels else start
    value: str | None = st.selectbox(
        "Candidate", list(found.labels), key="export_candidate", format_func=found.labels.__getitem__
    )
    tell_url(a=None if value == start else value)
    if found.best is None:
        st.caption("Nothing has beaten the baseline, so this is the program as it came unless you choose another.")
    return value


def program_panel(run: RunSummary, candidate: str) -> Mapping[str, Any] | None:
    """Prepare and download program, snippet and messages; the texts once they are made."""
    if run.origin:
        st.text("This run came from a replay file: its program is with whoever packed it. Report and replay work.")
        return None
    made = _kept(_MADE, run.id, candidate)
    if made is None:
        st.text("Loads the program in a process of its own and puts this candidate's instructions and demos in.")
        pressed = st.button("Prepare the files", key="export_make", icon=":material/deployed_code:", type="primary")
        asked = query("make") is not None
        tell_url(make=None)
        if pressed or asked:
            try:
                with st.spinner("Loading the program…"):
                    made = take_home.export_files(default_store(), run.id, candidate)
            except StudioError as error:
                problem(error, "The program was not exported")
                return None
            st.session_state[_MADE] = (run.id, candidate, made)
            st.rerun()
        return None
    with st.container(horizontal=True):
        st.download_button(
            "All in one ZIP", lambda: _zipped(run.id, made), f"{run.id}.zip", "application/zip", key="export_all",
            icon=":material/folder_zip:", type="primary", on_click="ignore", help="These files and the report",
        )  # fmt: skip
        for name, part in _FILES.items():
            st.download_button(name, made[part], name, key=f"export_{part}", icon=":material/download:",
                               on_click="ignore")  # fmt: skip
        for name, path in made["weights"].items():
            st.download_button(name, Path(path).read_bytes(), name, key=f"export_weights_{name}",
                               icon=":material/download:", on_click="ignore")  # fmt: skip
    if made["weights"]:
        named = " and ".join(made["weights"])
        st.caption(f"{named}: the tuned weights of the embedded model, as low-rank adapters.")
        st.caption("`cli.py export RUN --merged` writes the whole model with them in it.")
    st.caption("program.json holds instructions and demos, no model and no key. This loads it and asks it:")
    st.code(clean(made["snippet"]), language="python")
    found: Mapping[str, Any] = made
    return found


def _zipped(run_id: str, made: Mapping[str, Any]) -> bytes:
    """The program's files as they were made, and the report."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, part in _FILES.items():
            file.writestr(name, made[part])
        for name, path in made["weights"].items():
            file.write(path, name)
        file.writestr("report.html", _report(run_id))
    return out.getvalue()


def _report(run_id: str) -> bytes:
    with Reader(default_store()) as reader:
        return report_html(reader, run_id).encode()


def _kept(name: str, run_id: str, candidate: str) -> Any:
    kept = st.session_state.get(name)
    return kept[2] if kept is not None and kept[:2] == (run_id, candidate) else None


def messages_panel(made: Mapping[str, Any]) -> None:
    """Every predictor's chat messages, for people without DSPy."""
    st.header("Plain messages, without DSPy", anchor=False)
    document = json.loads(made["messages"])
    st.caption(clean(document["how"]))
    for predictor in document["predictors"]:
        name = one_line(predictor["name"], 80).replace("`", "'")
        with st.expander(f"Messages of `{name}`"):
            if predictor["why"]:
                st.text(clean(predictor["why"]))
            for message in predictor["messages"]:
                st.caption(
                    {"system": "system", "user": "user", "assistant": "assistant"}.get(message["role"], "other")
                )
                paragraph(clip(message["content"], 8_000))


def check_panel(run: RunSummary, candidate: str) -> None:
    """Ask the exported program and the plain messages again on k examples; says how many agree."""
    st.header("Does it still give the same answers?", anchor=False)
    st.text(
        "Loads the exported file into a fresh program, asks it on scored examples and compares with the answers in "
        "the score table. Then sends the plain messages straight to the model and compares those."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        k = st.number_input("Examples", 1, 100, 10, key="export_k", width=140)
        pressed = st.button("Ask again", key="export_check", icon=":material/verified:")
    st.caption(
        "This calls the task model: about two calls a step and example. They are not part of the run's spending."
    )
    if pressed:
        try:
            with st.spinner(f"Asking on {plural(int(k), 'example')}…"):
                result = take_home.verify(default_store(), run.id, int(k), candidate)
        except StudioError as error:
            problem(error, "It was not asked")
            return
        st.session_state[_CHECKED] = (run.id, candidate, result)
    result = _kept(_CHECKED, run.id, candidate)
    if result is not None:
        _checked(result)


def _checked(result: Mapping[str, Any]) -> None:
    program = result["program"]
    split = {"test": "sealed test", "val": "validation"}.get(result["split"], "")
    rows = [
        {
            "what": "exported program",
            "agreed": f"{program['agreed']} of {program['asked']}",
            "note": f"score {score(program['score_now'])}, in the run {score(program['score_then'])}",
        }
    ]
    rows += [
        {
            "what": f"plain messages: {one_line(part['predictor'], 60)}",
            "agreed": f"{part['agreed']} of {part['asked']}",
            "note": one_line(part["why"], 200),
        }
        for part in result["plain"]
    ]
    st.text(
        f"Asked on {plural(result['n'], 'example')} of the {split} split with {one_line(result['model'], 80)}, "
        f"{plural(result['calls'], 'call')}:"
    )
    st.dataframe(rows, hide_index=True, alt="How many answers agree")
    differ = [(row["what"], part["differ"]) for row, part in zip(rows, [program, *result["plain"]], strict=True)]
    cases = [{"what": what, **{name: one_line(case[name], 300) for name in ("example", "expected", "got")}}
             for what, found in differ for case in found]  # fmt: skip
    if cases:
        st.caption("Where they differ (at most five each). A model that samples may disagree with itself.")
        st.dataframe(cases, hide_index=True, alt="Answers that differ")


def report_panel(run: RunSummary) -> None:
    """The HTML report, made when it is asked for."""
    st.header("Report", anchor=False)
    st.text("One HTML file in plain words: what was tried, what won, by how much and how sure. Opens offline.")

    st.download_button(
        "Report (HTML)", lambda: _report(run.id), f"report-{run.id}.html", "text/html", key="export_report",
        icon=":material/article:", on_click="ignore",
    )  # fmt: skip


def replay_panel(run: RunSummary) -> None:
    """The run as one file that any studio plays."""
    st.header("Replay file", anchor=False)
    st.text("The whole run in one file. Any studio plays it with a time slider, with no model, key or program.")
    works = run.status in (Status.QUEUED, Status.RUNNING)

    def make() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run.mipro"
            take_home.pack(default_store(), run.id, out)
            return out.read_bytes()

    st.download_button(
        "Replay file", make, f"{run.id}.mipro", "application/vnd.sqlite3", key="export_replay",
        icon=":material/inventory_2:", on_click="ignore", disabled=works,
        help="It is still working; pack it once it has ended or stands still." if works else
        "Holds the run's data, answers and instructions. Keys are blacked out.",
    )  # fmt: skip
