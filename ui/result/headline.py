"""What a run has come to, in plain words: the same sentence on every page, in the report and in the terminal.

Pure functions, no Streamlit.
"""

from collections.abc import Mapping
from typing import Any

from mipro_studio.optimizer_core.types import Status
from mipro_studio.ui.result.evidence import Block, Evidence
from mipro_studio.ui.text.format import UNKNOWN, one_line, plural, score

__all__ = [
    "chance_words",
    "doubt",
    "figure",
    "headline",
    "in_common",
    "objective_words",
    "of_tokens",
    "statistics",
    "two_figures",
]

Estimate = Mapping[str, Any]
_NOTHING: Mapping[Status | None, str] = {
    Status.FAILED: "The run failed before anything was scored.",
    Status.STOPPED: "The run was stopped before anything was scored.",
}
_UNSURE = 0.1
"""A p-value above this is no reason to believe in a difference."""


def headline(found: Evidence, leader: str) -> str:
    """The result in one sentence, or how far it is known.

    Args:
        leader: Name of the best candidate, said while the search is not over.
    """
    if found.val.before is None and not found.tested:
        return _NOTHING.get(found.ended, "Nothing has been scored yet.")
    if found.best is None:
        return _unbeaten(found)
    block = found.test if found.tested else found.val
    before, after = block.before or {}, block.after or {}
    if not found.final:
        on = f"{after.get('n', 0)} of {plural(found.n_val, 'validation example')}"
        leads = f"{_sentence_case(leader)} leads with {figure(after, found.shares)}"
        return f"{leads} on {on}, not final{_beside(found)}."
    rows = plural(int(after.get("n") or 0), "example")
    where = f"{rows} that the search never saw" if found.tested else f"the {rows} that the search chose by"
    before_word, after_word = two_figures(before, after, found.shares)
    parts = [_won(block.paired, int(after.get("n") or 0)), of_tokens(found.tokens)]
    return f"{before_word} to {after_word} on {where}: {', '.join(part for part in parts if part)}."


def _sentence_case(name: str) -> str:
    said = one_line(name, 120)
    return said[:1].upper() + said[1:]


def _unbeaten(found: Evidence) -> str:
    """The baseline stands, or nothing leads it yet."""
    estimate = (found.test if found.tested else found.val).before or {}
    rows = plural(int(estimate.get("n") or 0), "example")
    where = f"{rows} that the search never saw" if found.tested else f"{rows} of the validation data"
    known = f"{figure(estimate, found.shares)} on {where}"
    if not found.final:
        return f"The program as it came scores {known}; no candidate leads it yet."
    if found.shares and (found.val.before or estimate).get("mean") == 1.0 and not _failed(found):
        return f"The program stays as it is: it had nothing to gain, {known}."
    beaten = f"none of {plural(found.tried, 'candidate')} was shown to be better"
    beaten = {0: "no candidate was scored", 1: "the one candidate tried was not shown to be better"}.get(
        found.tried, beaten
    )
    return f"The program stays as it is: {known}; {beaten}."


def _beside(found: Evidence) -> str:
    """What the baseline has on the leader's examples."""
    pair, after = found.val.paired, found.val.after or {}
    if not pair or pair.get("difference") is None or pair.get("n") != after.get("n"):
        return ""
    return f"; the program as it came has {figure({'mean': after['mean'] - pair['difference']}, found.shares)} there"


def doubt(found: Evidence) -> str:
    """What must not be left out beside the headline; "" when it stands as it is."""
    if not found.final:
        return ""
    if found.best is None:
        return _failed(found)
    block = found.test if found.tested else found.val
    said = []
    if not found.tested:
        said.append("The search chose by these examples, so expect less on new ones: the sealed test was not scored.")
    pair = block.paired or {}
    p, gained = pair.get("p_value"), pair.get("difference") or 0.0
    if p is not None and p > _UNSURE:
        then = "keep the program as it came" if gained < 0 else "do not count on it"
        said.append(f"A difference like this comes up by chance often: {then}.")
    elif gained < 0:
        said.append("It is worse than the program as it came: do not use it.")
    return " ".join(filter(None, [*said, _failed(found)]))


def _failed(found: Evidence) -> str:
    """How many of the examples that the headline is about failed; "" where none did."""
    block = found.test if found.tested else found.val
    missing = max(int((side or {}).get("n_error") or 0) for side in (block.before, block.after))
    return (
        f"{plural(missing, 'example')} failed and {'counts' if missing == 1 else 'count'} in no score."
        if missing
        else ""
    )


def statistics(found: Evidence) -> list[str]:
    """What stands behind the headline, for people who ask how sure it is."""
    said = [objective_words(found.objective)]
    pair = (found.test if found.tested else found.val).paired
    if found.best is not None and pair and pair.get("n"):
        said.append(chance_words(pair))
    worth = found.corrected
    if worth and found.best is not None and not found.tested:
        between = f"between {score(worth['low'])} and {score(worth['high'])} ({worth['level'] * 100:.0f} %)"
        said.append(
            f"Chosen from {plural(found.tried, 'candidate')}, the winner is expected to score {between} on examples "
            "like these: the model of all scores takes the luck of the choice out."
        )
    return [word for word in said if word]


def objective_words(found: Estimate | None) -> str:
    """What the search maximized, where that is not the score, of winner and baseline; "" where it is."""
    if not found:
        return ""
    parts = []
    for split, word in (("val", "on validation"), ("test", "on the sealed test")):
        before, after = found.get(f"baseline_{split}"), found.get(f"best_{split}")
        if before and after:
            parts.append(f"{score(after.get('mean'))} {word} (baseline {score(before.get('mean'))})")
    over = found.get("over_test")
    broken = f" {plural(over, 'program run')} of the sealed test went over a limit." if over else ""
    return f"The search maximized the objective {found['text']}: {', '.join(parts) or UNKNOWN}.{broken}"


def chance_words(pair: Estimate) -> str:
    """The p-value of a paired difference in words; "" where there is none."""
    p = pair.get("p_value")
    if p is None or not pair.get("difference"):
        return ""
    said = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    often = "comes up by chance often" if p > _UNSURE else "would be rare"
    return f"If both were equally good, a difference this large {often} ({said})."


def in_common(pair: Estimate, block: Block) -> str:
    """`on the 25 scored by both: ` where the two means beside a difference are over other rows than it is."""
    sides = {int((side or {}).get("n") or 0) for side in (block.before, block.after)}
    return "" if sides == {pair.get("n")} else f"on the {pair.get('n')} scored by both: "


def figure(estimate: Estimate, shares: bool) -> str:
    """A mean as `96 %` where the metric gives 0 to 1, as it is otherwise."""
    mean = estimate.get("mean")
    return score(mean) if mean is None or not shares else _percent(mean, 0)


def _percent(share: float, digits: int) -> str:
    """Rounded as `score` rounds, so that 0.42 is 42 %; `100 %` is said of all only, and `0 %` of none."""
    exact = round(share, 9)  # a difference of two means may be a hair beside the mean that it stands for
    while digits < 2 and float(f"{exact:.{digits + 2}f}") in (0.0, 1.0) and exact not in (0.0, 1.0):
        digits += 1
    return f"{float(f'{exact:.{digits + 2}f}') * 100:.{digits}f} %"


def two_figures(before: Estimate, after: Estimate, shares: bool) -> tuple[str, str]:
    """Two means, told finely enough to differ when they do."""
    said = figure(before, shares), figure(after, shares)
    if not shares or said[0] != said[1] or before.get("mean") == after.get("mean"):
        return said
    return _percent(before["mean"], 1), _percent(after["mean"], 1)


def _won(pair: Estimate | None, n: int) -> str:
    if not pair or not pair.get("n"):
        return ""
    among = "" if pair["n"] == n else f"of the {pair['n']} that both answered, "
    return f"{among}better on {pair['won'] or 'none'}, worse on {pair['lost'] or 'none'}"


def of_tokens(tokens: tuple[float, float] | None) -> str:
    """What the second costs against the first: `twice the tokens`."""
    if tokens is None:
        return ""
    ratio = tokens[1] / tokens[0]
    if ratio < 0.95:
        return f"{(1 - ratio) * 100:.0f} % fewer tokens"
    if ratio <= 1.05:
        return "as many tokens"
    if ratio < 1.9:
        return f"{(ratio - 1) * 100:.0f} % more tokens"
    return "twice the tokens" if ratio <= 2.1 else f"{ratio:.1f} times the tokens"
