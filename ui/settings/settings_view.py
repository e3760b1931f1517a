"""The settings receipt of a run, and what two runs' settings have apart."""

import streamlit as st

from mipro_studio.optimizer_core.types import Split
from mipro_studio.storage import Reader, RunSummary
from mipro_studio.ui.settings.settings_rows import LEFT_OPEN, changed, differences, model_rows, setting_rows, words
from mipro_studio.ui.text.format import clean, count, one_line, plural

__all__ = ["differing_settings", "receipt"]

_SPLITS = {Split.TRAIN: "Training", Split.VAL: "Validation", Split.TEST: "Sealed test"}


def receipt(reader: Reader, run: RunSummary) -> None:
    """Sizes and seed, models by role, every setting asked for against what took effect, versions."""
    config, said = reader.config(run.id), reader.receipt(run.id)
    _sizes(reader, run)
    st.header("Models", anchor=False)
    st.table(model_rows(config), border="horizontal", hide_index=True, alt="Models by role")
    st.caption("Keys are read from the environment by the variable's name and are never stored.")
    st.header("Settings, requested and effective", anchor=False)
    rows = setting_rows(config, said)
    moved = sum(map(changed, rows))
    asked = sum(row["requested"] not in (LEFT_OPEN, "not set") for row in rows)
    if moved:
        st.text(
            f"{count(moved)} of {plural(asked, 'setting')} that were asked for took effect otherwise: the first rows."
        )
    elif asked:
        st.text(f"{plural(asked, 'setting was', 'settings were')} asked for and took effect as asked.")
    else:
        st.text("Nothing was asked for beyond what the preset, the sample and the defaults say.")
    st.dataframe(
        rows, hide_index=True, key="settings_rows", height=min(640, 36 * (len(rows) + 1) + 3),
        alt="Settings, requested and effective",
        column_config={"setting": st.column_config.TextColumn(width=220)},
    )  # fmt: skip
    st.header("Versions", anchor=False)
    versions = said.get("versions")
    if isinstance(versions, dict) and versions:
        found = [{"library": one_line(name), "version": one_line(version)} for name, version in versions.items()]
        st.table(found, border="horizontal", hide_index=True, width="content", alt="Versions of libraries")
    else:
        st.caption("No versions were recorded for this run.")


def _sizes(reader: Reader, run: RunSummary) -> None:
    sizes = {split: len(reader.examples(run.id, split)) for split in Split}
    with st.grid(4, min_column_width=128):
        for split, title in _SPLITS.items():
            with st.container(border=True, gap="xsmall"):
                st.metric(f"{title} rows", count(sizes[split]))
        with st.container(border=True, gap="xsmall"):
            st.metric("Seed", str(run.seed))
    st.caption(
        "One generator a concern is derived from the seed, so the same seed and data give the same splits, "
        "demo sets and suggestions."
    )


def differing_settings(reader: Reader, first: str, second: str) -> None:
    """Settings in which two runs differ."""
    rows = differences(reader.config(first), reader.config(second))
    seeds = [str(reader.run(run_id).seed) for run_id in (first, second)]
    if seeds[0] != seeds[1] and not any(row["setting"] == "seed" for row in rows):
        rows.insert(0, {"setting": "seed", "first": seeds[0], "second": seeds[1]})
    if not rows:
        st.caption("Both runs have the same settings.")
        return
    st.table(
        [{name: clean(words(value)) for name, value in row.items()} for row in rows],
        border="horizontal", hide_index=True, alt="Settings that differ",
    )  # fmt: skip
