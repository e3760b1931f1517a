"""What is compared with what: run, candidates, split. Every choice stands in the URL."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from mipro_studio.optimizer_core.types import Split
from mipro_studio.storage import Reader, RunSummary
from mipro_studio.ui.arms.candidate_names import names_of
from mipro_studio.ui.compare.compare_data import SPLITS, Choices, choices
from mipro_studio.ui.page.frame import query, tell_url
from mipro_studio.ui.result.evidence import no_gain
from mipro_studio.ui.result.leaders import candidates_tried
from mipro_studio.ui.text.format import ago, one_line

__all__ = ["Picked", "pick"]

THIS_RUN = "this run"
MOST_MORE = 3


@dataclass(frozen=True, slots=True)
class Picked:
    """Two (run, candidate); a candidate is None where there is none to choose.

    `words`: what the two are called. `more`: further candidates of the first run, shown beside them.
    """

    first: tuple[str, str | None]
    second: tuple[str, str | None]
    split: Split
    split_word: str
    n_candidates: int
    words: tuple[str, str] = ("the first", "the second")
    more: tuple[str, ...] = ()


def _choose(
    draw: Callable[..., str | None], label: str, name: str, options: Sequence[str], default: str | None,
    words: Mapping[str, str],
) -> str | None:  # fmt: skip
    """A widget whose value stands in the URL as `name`; a value that is not on offer becomes the default."""
    key = f"compare_{name}"
    start = default if default in options else (options[0] if options else None)
    asked = query(name)
    if st.session_state.get(key, asked) not in options:
        st.session_state[key] = start
    elif key not in st.session_state:
        st.session_state[key] = asked
    value = draw(label, list(options), key=key, format_func=lambda option: words.get(option, option))
    tell_url(**{name: None if value == start else value})
    return value


def pick(reader: Reader, run: RunSummary) -> Picked:
    """The pickers in one row. By default baseline and winner of one run, or the winners of two."""
    with st.container(border=True, gap="small"):
        over_left, over_right = st.columns(2)
        with over_left:
            which = _choose(
                st.segmented_control, "Scored on", "split", [split.value for split in SPLITS.values()],
                _start_split(reader, run.id).value,
                {split.value: word for word, split in SPLITS.items()},
            )  # fmt: skip
        split = Split(which or _start_split(reader, run.id).value)
        with over_right:
            other = _other(reader, run)
        left, right = st.columns(2)
        mine = choices(reader, run.id, split)
        theirs = choices(reader, other, split) if other else mine
        start = mine.best or mine.baseline if other else mine.baseline
        with left:
            first = _candidate("From", "a", mine, start)
        with right:
            others = [name for name in theirs.labels if other or name != theirs.baseline]
            if others:
                second = _candidate("To", "b", theirs, theirs.best or others[0])
            else:
                second = None
                st.caption("To: none but the program as it came has been scored here.")
        more = _more(mine, (first, second)) if not other else ()
    word = next(word for word, value in SPLITS.items() if value is split)
    tried = candidates_tried(reader.trials(run.id))
    words = _words(reader, run.id, first, other or run.id, second)
    return Picked((run.id, first), (other or run.id, second), split, word.lower(), tried, words, more)


def _words(reader: Reader, run_a: str, a: str | None, run_b: str, b: str | None) -> tuple[str, str]:
    """What the two are called: in tables and sentences a candidate goes by its name."""
    first, second = names_of(reader, run_a).of(a), names_of(reader, run_b).of(b)
    if run_a != run_b:
        first, second = f"{first} (this run)", f"{second} (the other run)"
    return first, second


def _more(found: Choices, chosen: tuple[str | None, str | None]) -> tuple[str, ...]:
    """Up to three more, beside the two that are compared."""
    options = [name for name in found.labels if name not in chosen]
    if not options:
        return ()
    key = "compare_more"
    held = [name for name in st.session_state.get(key, (query("more") or "").split(".")) if name in options]
    st.session_state[key] = held[:MOST_MORE]
    picked = st.multiselect(
        "And beside them", options, key=key, format_func=lambda name: found.labels.get(name, name),
        max_selections=MOST_MORE, placeholder="Up to three more candidates",
    )  # fmt: skip
    tell_url(more=".".join(picked) or None)
    return tuple(picked)


def _start_split(reader: Reader, run_id: str) -> Split:
    """The sealed test once baseline and winner were scored on it, which is what the headline speaks of."""
    outcome = reader.outcome(run_id)
    if outcome is None or no_gain(outcome) or query("other"):
        return Split.VAL
    tested = outcome.best_test and reader.count_cells(run_id, Split.TEST)
    return Split.TEST if tested else Split.VAL


def _other(reader: Reader, run: RunSummary) -> str | None:
    runs = {found.id: found for found in reader.list_runs() if found.id != run.id and found.n_val}
    words = {name: f"{one_line(found.name, 50)} · {ago(found.created_at)}" for name, found in runs.items()}
    value = _choose(st.selectbox, "Run of the second", "other", [THIS_RUN, *runs], THIS_RUN, words)
    return None if value in (None, THIS_RUN) else value


def _candidate(label: str, name: str, found: Choices, default: str | None) -> str | None:
    if not found.labels:
        st.caption(f"{label}: none has been scored here.")
        return None
    return _choose(st.selectbox, label, name, list(found.labels), default, found.labels)
