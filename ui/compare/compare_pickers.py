"""What is compared with what: run, candidates, split. Every choice stands in the URL."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

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
MOST_MORE, MOST_RUNS = 3, 12
APART = "~"
"""Between a run and its candidate in the URL."""


@dataclass(frozen=True, slots=True)
class Picked:
    """Two (run, candidate); a candidate is None where there is none to choose.

    `more`: further (run, candidate), shown beside them. `words`: what the two and those beside them are called.
    """

    first: tuple[str, str | None]
    second: tuple[str, str | None]
    split: Split
    split_word: str
    n_candidates: int
    words: tuple[str, ...]
    more: tuple[tuple[str, str], ...] = ()

    @property
    def titles(self) -> list[str]:
        """Headings of their columns, numbered where they are more than two: narrow columns cut names alike."""
        if not self.more:
            return [*self.words]
        return [f"{place}. {word}" for place, word in enumerate(self.words, 1)]

    @property
    def sides(self) -> list[tuple[str, str | None]]:
        """All that are compared, two to five."""
        return [self.first, self.second, *self.more]


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
            second = _second(theirs, None if other else first)
        more = _more(reader, run, split, mine, {(run.id, first), (other or run.id, second)})
    word = next(word for word, value in SPLITS.items() if value is split)
    tried = candidates_tried(reader.trials(run.id))
    words = _words(reader, split, [(run.id, first), (other or run.id, second), *more])
    return Picked((run.id, first), (other or run.id, second), split, word.lower(), tried, words, more)


def _words(reader: Reader, split: Split, sides: Sequence[tuple[str, str | None]]) -> tuple[str, ...]:
    """What they are called: a winner as such, others by their names, one of another run with that run's name too."""
    own = sides[0][0]
    alone = all(run_id == own for run_id, _ in sides)
    runs = {run_id: "this run" if run_id == own else one_line(reader.run(run_id).name, 40) for run_id, _ in sides}
    names = {run_id: names_of(reader, run_id) for run_id in runs}
    found = {run_id: choices(reader, run_id, split) for run_id in runs}
    return tuple(
        (found[run_id].role if name and name == found[run_id].best else names[run_id].of(name))
        + ("" if alone else f" ({runs[run_id]})")
        for run_id, name in sides
    )


def _more(
    reader: Reader, run: RunSummary, split: Split, found: Choices, chosen: Collection[tuple[str, str | None]]
) -> tuple[tuple[str, str], ...]:
    """Up to three more, beside the two that are compared: candidates of this run, and winners of others."""
    asked = (query("more") or "").split(".")
    offered = {name: ((run.id, name), label) for name, label in found.labels.items()}
    if st.toggle("Winners of other runs too", value=any(APART in name for name in asked), key="compare_runs"):
        offered |= _winners(reader, run, split)
    offered = {name: one for name, one in offered.items() if one[0] not in chosen}
    if not offered:
        return ()
    key = "compare_more"
    held = [name for name in st.session_state.get(key, asked) if name in offered]
    st.session_state[key] = held[:MOST_MORE]
    picked = st.multiselect(
        "And beside them", list(offered), key=key, format_func=lambda name: offered[name][1] if name in offered
        else name, max_selections=MOST_MORE, placeholder="Up to three more",
    )  # fmt: skip
    tell_url(more=".".join(picked) or None)
    return tuple(offered[name][0] for name in picked)


def _winners(reader: Reader, run: RunSummary, split: Split) -> dict[str, tuple[tuple[str, str], str]]:
    """The winners of the latest runs that have rows of `split` in common with `run`, by what the URL calls them."""
    mine = {example.id for example in reader.examples(run.id, split)}
    found: dict[str, tuple[tuple[str, str], str]] = {}
    for other in reader.list_runs():
        outcome = reader.outcome(other.id) if other.id != run.id and other.best_val is not None else None
        if outcome is None or outcome.winner is None or len(found) == MOST_RUNS:
            continue
        if mine & {example.id for example in reader.examples(other.id, split)}:
            label = f"winner of {one_line(other.name, 40)} · {names_of(reader, other.id).of(outcome.winner)}"
            found[f"{other.id}{APART}{outcome.winner}"] = ((other.id, outcome.winner), one_line(label, 120))
    return found


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


def _second(found: Choices, first: str | None) -> str | None:
    """Another candidate than `first`, of the same run, None where the runs differ; never the baseline of one run."""
    taken = () if first is None else (first, found.baseline)
    labels = {name: label for name, label in found.labels.items() if name not in taken}
    if found.labels and not labels:
        st.caption("To: no other one has been scored here.")
        return None
    return _candidate("To", "b", replace(found, labels=labels), found.best)


def _candidate(label: str, name: str, found: Choices, default: str | None) -> str | None:
    if not found.labels:
        st.caption(f"{label}: none has been scored here.")
        return None
    return _choose(st.selectbox, label, name, list(found.labels), default, found.labels)
