"""What the compare page reads: candidates to choose from, the examples of two of them, their means. No Streamlit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mipro_studio.optimizer_core.analysis.comparison import (
    Change,
    ComparedExample,
    change_counts,
    compare,
    scored_pairs,
)
from mipro_studio.optimizer_core.types import Candidate, Example, ExampleScore, Json, Split
from mipro_studio.storage import CandidateMean, Reader, RunSummary
from mipro_studio.ui.arms.candidate_names import names_of
from mipro_studio.ui.page.store import kept_of_run
from mipro_studio.ui.result.evidence import evidence_of, paired
from mipro_studio.ui.text.format import delta, delta_range, one_line, plural, score

__all__ = [
    "CHANGES",
    "LEADER",
    "SPLITS",
    "WINNER",
    "Choices",
    "Comparison",
    "Means",
    "against_first",
    "answers",
    "choices",
    "compared",
    "in_words",
    "means_of",
    "preview",
]

WINNER, LEADER = "the winner", "the leader"
SPLITS: Mapping[str, Split] = {"Validation": Split.VAL, "Sealed test": Split.TEST}

CHANGES: Mapping[Change, str] = {
    Change.IMPROVED: "Improvements",
    Change.REGRESSED: "Regressions",
    Change.SAME: "Same",
    Change.NOT_EVALUATED: "Not evaluated",
}


@dataclass(frozen=True, slots=True)
class Choices:
    """The candidates of a run with scores in a split, by id with a label; `baseline` and `best` may be None.

    `role` is what `best` is called in sentences and tables.
    """

    labels: Mapping[str, str]
    baseline: str | None
    best: str | None
    role: str = WINNER


def choices(reader: Reader, run_id: str, split: Split) -> Choices:
    """Baseline, winner or leader first, then the candidates seen on most examples, best means first."""
    run = reader.run(run_id)
    return kept_of_run(reader, run, f"choices {split.value}", lambda: _choices(reader, run, split))


def means_of(reader: Reader, run: RunSummary, split: Split) -> Sequence[CandidateMean]:
    """The means of all candidates, read once for all that a page shows of them."""
    return kept_of_run(reader, run, f"means {split.value}", lambda: reader.candidate_means(run.id, split))


def _choices(reader: Reader, run: RunSummary, split: Split) -> Choices:
    means, run_id = {mean.candidate: mean for mean in means_of(reader, run, split) if mean.n_ok}, run.id
    found = evidence_of(reader, run_id, reader.trials(run_id), reader.outcome(run_id))
    best, names = found.best, names_of(reader, run_id)
    some = next(iter(means), best)
    baseline = Candidate.baseline(Candidate.parse(some).n_predictors).id if some else None
    roles = {baseline: "", best: "winner · " if found.final else "leads · "}
    ordered = sorted(means, key=lambda name: (name not in roles, name != baseline, -means[name].n_ok,
                                              -(means[name].mean or 0.0)))  # fmt: skip
    labels = {name: _label(roles.get(name, ""), names.of(name), means[name], name == baseline) for name in ordered}
    role = WINNER if found.final else LEADER
    return Choices(labels, baseline if baseline in labels else None, best if best in labels else None, role)


def _label(role: str, said: str, mean: CandidateMean, is_baseline: bool) -> str:
    """The score before a name that may be long: a list cuts what stands last."""
    known = f"{score(mean.mean)}, n = {mean.n_ok}"
    return f"{said} · {known}" if is_baseline else f"{role}{known} · {said}"


@dataclass(frozen=True, slots=True)
class Means:
    """Means over the examples that both were asked; None where there is none or it is not reported."""

    score: float | None
    tokens: float | None
    cost_usd: float | None
    seconds_s: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two candidates example by example, the largest change first.

    `beside`: what further candidates did on the same examples, in the order asked for.
    """

    rows: Sequence[ComparedExample]
    examples: Mapping[str, Example]
    counts: Mapping[Change, int]
    paired: Mapping[str, Any]
    before: Means
    after: Means
    beside: Sequence[Mapping[str, ExampleScore]] = ()

    def sides(self, row: ComparedExample) -> list[ExampleScore | None]:
        """What every candidate did on the example of `row`: the two compared, and those beside them."""
        return [row.before, row.after, *(scores.get(row.example) for scores in self.beside)]


def compared(
    reader: Reader, first: tuple[str, str], second: tuple[str, str], split: Split,
    beside: Sequence[tuple[str, str]] = (),
) -> Comparison:  # fmt: skip
    """Two (run, candidate) on the examples of `split`; of two runs, examples count as one by their content.

    Over two runs only the examples that both splits hold are compared.

    Args:
        beside: Further (run, candidate), whose scores on these examples are read as well.
    """
    examples = {example.id: example for example in reader.examples(first[0], split)}
    before, after = (reader.example_scores(*side, split) for side in (first, second))
    if second[0] != first[0]:
        others = {example.id for example in reader.examples(second[0], split)}
        examples = {name: example for name, example in examples.items() if name in others}
        before, after = _only(before, examples), _only(after, examples)
    asked = {name: before.get(name) for name in (*before, *after)}
    rows = [*compare(before, after, examples), *_never_asked(examples, asked)]
    both = [(row.before, row.after) for row in rows if row.before is not None and row.after is not None]
    pairs = scored_pairs(rows)
    return Comparison(
        rows,
        examples,
        change_counts(rows),
        paired(pairs),
        _means([first for first, _ in both], [first for first, _ in pairs]),
        _means([second for _, second in both], [second for _, second in pairs]),
        [_only(reader.example_scores(*side, split), examples) for side in beside],
    )


def against_first(found: Comparison, place: int) -> tuple[Mapping[str, Any], Means]:
    """(paired difference to the first, means over the examples that both were asked) of candidate `place`."""
    sides = [(row.before, found.sides(row)[place]) for row in found.rows]
    asked = [(first, other) for first, other in sides if first is not None and other is not None]
    pairs = tuple((a.score, b.score) for a, b in asked if a.score is not None and b.score is not None)
    return paired(pairs), _means([other for _, other in asked], [after for _, after in pairs])


def _only(scores: Mapping[str, ExampleScore], names: Mapping[str, Any]) -> dict[str, ExampleScore]:
    return {name: score for name, score in scores.items() if name in names}


def _never_asked(examples: Iterable[str], asked: Mapping[str, Any]) -> list[ComparedExample]:
    return [ComparedExample(name, None, None) for name in examples if name not in asked]


def _means(asked: Sequence[ExampleScore], scores: Sequence[float]) -> Means:
    costs = [side.cost_usd for side in asked if side.cost_usd is not None]
    return Means(
        _mean(scores),
        _mean([side.tokens for side in asked]),
        _mean(costs) if len(costs) == len(asked) else None,
        _mean([side.seconds_s for side in asked]),
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def in_words(found: Mapping[str, Any], second: str = "the second") -> str:
    """A paired difference for people who have never heard of one. `second`: what the second is called."""
    if not found["n"]:
        return "No example was scored for both, so there is nothing to compare."
    said = (
        f"On the {plural(found['n'], 'example')} that both were scored on, {second} is better on {found['won']}, "
        f"worse on {found['lost']} and the same on {found['tied']}: {delta(found['difference'])} on average"
    )
    if found["n"] > 1:
        said += f" ({delta_range(found['low'], found['high'])} at {found['level'] * 100:.0f} %)"
    p = found["p_value"]
    chance = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    if not found["difference"]:
        return said + "."
    if p > 0.1:
        return f"{said}. A difference like this comes up by chance often ({chance}): do not count on it."
    return f"{said}. If both were equally good, a difference this large would be rare ({chance})."


Answers = Sequence[Mapping[str, Json]]
"""Example id -> the fields that a candidate answered; one mapping a candidate."""


Side = tuple[str, str | None]
"""(run, candidate); None: none is chosen."""


def answers(reader: Reader, sides: Sequence[Side], split: Split) -> Answers:
    """What each candidate answered on the examples of `split`."""
    return [reader.answers(run, candidate, split) if candidate else {} for run, candidate in sides]


def preview(example: Example | None, limit: int = 160) -> str:
    """The inputs of an example in one line."""
    values = list((example.inputs if example is not None else {}).items())
    if len(values) == 1:
        return one_line(values[0][1], limit)
    return one_line(" · ".join(f"{name}: {one_line(value, limit)}" for name, value in values), limit)
