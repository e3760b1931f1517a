"""What each part of the winner brings, or the way to find out."""

from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import Reader, RunSummary
from mipro_studio.ui.arms.candidate_names import Names
from mipro_studio.ui.page import actions
from mipro_studio.ui.result.evidence import Evidence
from mipro_studio.ui.result.what_parts_bring import BESIDE, in_words, missing_runs, what_parts_bring
from mipro_studio.ui.text.format import clean, plural

__all__ = ["parts_panel"]


def parts_panel(reader: Reader, run: RunSummary, found: Evidence, names: Names) -> None:
    """A table of what is known; of a run of one's own that is completed a button that asks for the rest."""
    parts = what_parts_bring(reader, run.id, found, names)
    said = in_words(parts)
    if said:
        st.text(clean(said))
        rows: list[Any] = [part.row() for part in parts if part.paired is not None]
        st.table(rows, border="horizontal", hide_index=True, alt=said)
        st.caption(BESIDE)
    missing = missing_runs(reader, run.id, parts)
    if missing and run.status is Status.COMPLETED and not run.origin:
        st.button(
            "Measure what each part brings", key="live_ablate", icon=":material/join_inner:", on_click=actions.ask,
            args=("ablate", run.id),
            help=f"{BESIDE} It takes {plural(missing, 'program run')} more, whatever the caps.",
        )  # fmt: skip
        st.caption(f"{plural(len(parts), 'part')} of the winner, {plural(missing, 'program run')}.")
