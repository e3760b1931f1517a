"""Where an instruction comes from: what its proposer was asked, shown and answered."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.tips import TIPS
from mipro_studio.optimizer_core.types import Arm, Author, Example
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.copies import copied
from mipro_studio.ui.text.format import UNKNOWN, clean, count, one_line
from mipro_studio.ui.text.long_text import long_text

__all__ = ["TIP_WORDS", "flags_of", "provenance"]


TIP_WORDS = {name: text or "No tip." for name, text in TIPS.items()}

_SWITCHES = {
    "dataset_summary": "dataset summary",
    "program_summary": "program and module description",
    "demos": "demos",
    "history": "earlier instructions with scores",
    "tips": "tip",
    "hint": "a person's hint",
}


def flags_of(arm: Arm, rows: Mapping[str, Example], seed: str) -> Sequence[tuple[str, str]]:
    """What of its meta-prompt an instruction repeats word for word."""
    if arm.author is not Author.MODEL:
        return []
    shown = [rows[row] for row in arm.provenance.get("demos_shown", ()) if row in rows]
    of_rows = tuple(str(value) for row in shown for value in (*row.inputs.values(), *row.labels.values()))
    return _repeated(arm.text, of_rows, TIPS.get(str(arm.provenance.get("tip")), ""), seed)


@lru_cache(maxsize=1024)
def _repeated(text: str, of_rows: tuple[str, ...], tip: str, seed: str) -> Sequence[tuple[str, str]]:
    """Kept, as a page looks at all instructions whenever it is drawn."""
    return tuple(copied(text, {"a demo": of_rows, "its tip": [tip]}, seed))


def provenance(reader: Reader, run_id: str, arm: Arm, rows: Mapping[str, Example]) -> None:
    """The card, shortest facts first."""
    if arm.author is Author.SEED:
        st.text("It came with the program. Nobody proposed it.")
        return
    facts = arm.provenance
    if arm.author is Author.PERSON:
        base = facts.get("edited_from")
        st.text("Written by a person." if base is None else f"Edited by a person from instruction {base}.")
        if facts.get("reason"):
            st.text(f"Why: {clean(facts['reason'])}")
        return
    with st.grid(2, min_column_width=150):
        for name, value in _facts(facts):
            with st.container(gap=None):
                st.caption(name)
                st.text(value)
    _switch_lines(facts.get("switches") or ())
    _shown(reader, run_id, arm, rows)
    _call(reader, run_id, str(facts.get("call") or ""))


def _facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    tip = str(facts.get("tip", "none"))
    tokens = facts.get("tokens") or {}
    found = [
        ("Tip", f"{one_line(tip)}: {TIP_WORDS[tip]}" if tip in TIP_WORDS and tip != "none" else "none"),
        ("Temperature", f"{facts['temperature']:g}" if facts.get("temperature") is not None else UNKNOWN),
        ("Demos shown", str(len(facts.get("demos_shown") or ()))),
        ("Tokens", f"{count(tokens.get('input'))} in, {count(tokens.get('output'))} out"),
    ]
    for name, key in (("Round", "round"), ("Stage", "stage"), ("Written from", "parent"), ("Hint", "hint")):
        if facts.get(key) not in (None, ""):
            found.append((name, clean(facts[key])[:500]))
    return found


def _switch_lines(switches: Sequence[Mapping[str, Any]]) -> None:
    """Every input of the request: used, off, or asked for and fallen back."""
    if switches:
        st.caption("What the request showed")
        st.text("\n".join(_became(row) for row in switches))


def _became(row: Mapping[str, Any]) -> str:
    name = _SWITCHES.get(row["switch"], one_line(row["switch"]))
    if row.get("used"):
        return f"✓ {name}: used"
    if not row.get("requested"):
        return f"○ {name}: off"
    return f"✕ {name}: fell back, {one_line(row.get('why') or 'not available', 160)}"


def _shown(reader: Reader, run_id: str, arm: Arm, rows: Mapping[str, Example]) -> None:
    """The texts behind the switches."""
    used = {row["switch"] for row in arm.provenance.get("switches") or () if row.get("used")}
    texts: list[tuple[str, str]] = []
    for switch, key, field, title in (
        ("dataset_summary", "dataset_summary/final", "summary", "Dataset summary"),
        ("program_summary", "program", "program_description", "Program description"),
        ("program_summary", f"module/{arm.owner}", "module_description", "Module description"),
    ):
        call = reader.prompt_call(run_id, key) if switch in used else None
        if call is not None:
            texts.append((title, str(call.outputs.get(field, ""))))
    for place, row in enumerate(arm.provenance.get("demos_shown") or ()):
        if row in rows:
            lines = {**rows[row].inputs, **rows[row].labels}
            texts.append((f"Demo {place + 1}", "\n".join(f"{name}: {value}" for name, value in lines.items())))
    for place, past in enumerate(arm.provenance.get("history_shown") or ()):
        texts.append((f"Earlier instruction {place + 1}", f"{past.get('text')}\nScore: {past.get('score')}"))
    if texts:
        with st.expander("What it was shown"):
            for place, (title, text) in enumerate(texts):
                st.caption(title)
                long_text(text, f"ins_shown_{place}", clip=1500)


def _call(reader: Reader, run_id: str, key: str) -> None:
    call = reader.prompt_call(run_id, key) if key else None
    if call is None:
        return
    with st.expander("The request and the reply, as sent"):
        for place, message in enumerate(call.request):
            st.caption(
                "System"
                if message.get("role") == "system"
                else "User"
                if message.get("role") == "user"
                else "Message"
            )
            long_text(message.get("content", ""), f"ins_request_{place}")
        st.caption("Reply")
        long_text(call.reply, "ins_reply")
        if call.error:
            st.text(f"It failed: {clean(call.error)}")
