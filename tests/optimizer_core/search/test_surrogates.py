"""The contract of every surrogate of `search.surrogates`, and of those that only some settings ask for."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import optuna
import pytest

from mipro_studio.optimizer_core.config import SearchSettings
from mipro_studio.optimizer_core.parameters.space import SearchSpace
from mipro_studio.optimizer_core.search.surrogates import (
    SURROGATES,
    Observation,
    ReplayedTpe,
    Surrogate,
    TpeSurrogate,
    make_surrogate,
)
from mipro_studio.optimizer_core.search.surrogates.item_response import ItemResponse
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, Candidate
from tests.arms import space_of

CASES: dict[str, Callable[[], Surrogate]] = {
    **{name: partial(make_surrogate, SearchSettings(surrogate=name)) for name in SURROGATES},
    "eager tpe": lambda: TpeSurrogate(n_startup_trials=1),
    "plain tpe": lambda: TpeSurrogate(shrink=False),
    "replayed tpe": ReplayedTpe,
}
MODELS = [name for name in CASES if name != "random"]
N = 10


@pytest.fixture(params=list(CASES))
def surrogate(request: pytest.FixtureRequest) -> Surrogate:
    return CASES[request.param]()


def make_space(instructions: int = 4, demos: int = 3, predictors: Sequence[str] = ("a", "b")) -> SearchSpace:
    return space_of(
        predictors,
        {name: range(instructions) for name in predictors},
        {name: range(demos) for name in predictors},
    )


def everything(space: SearchSpace) -> list[Candidate]:
    points: list[dict[str, int]] = [{}]
    for parameter in space.parameters:
        points = [{**point, parameter.name: arm} for point in points for arm in parameter.arms]
    return [space.candidate(point) for point in points]


def quality(candidate: Candidate) -> float:
    """Arm 2 of the first predictor's instruction is good, the rest hardly matters."""
    return 0.5 + 0.4 * (candidate.arm(0, INSTRUCTION) == 2) + 0.01 * candidate.arm(-1, DEMOS)


def seen(*candidates: Candidate) -> list[Observation]:
    return [
        Observation(candidate, quality(candidate), N, {f"e{n}": quality(candidate) for n in range(N)}, number=number)
        for number, candidate in enumerate(candidates, start=1)
    ]


def test_the_same_question_has_the_same_answer(surrogate: Surrogate) -> None:
    space = make_space()
    history = seen(*everything(space)[::7])
    pending = everything(space)[1:3]
    first = [surrogate.suggest(space, history, pending, frozenset(), seed) for seed in range(6)]
    second = [surrogate.suggest(space, history, pending, frozenset(), seed) for seed in reversed(range(6))]
    assert first == second[::-1]


def test_another_seed_may_have_another_answer_and_0_is_a_seed(surrogate: Surrogate) -> None:
    space = make_space(8, 8)
    answers = [surrogate.suggest(space, [], [], frozenset(), seed) for seed in range(8)]
    assert len({answer.id for answer in answers if answer}) > 3


def test_nothing_exhausted_is_suggested(surrogate: Surrogate) -> None:
    space = make_space()
    exhausted = {candidate.id for candidate in everything(space)}
    left = exhausted.pop()
    history = seen(*(Candidate.parse(name) for name in sorted(exhausted)))
    for seed in range(3):
        answer = surrogate.suggest(space, history, [], frozenset(exhausted), seed)
        assert answer is not None and answer.id == left


def test_a_space_too_large_to_list_is_no_hindrance(surrogate: Surrogate) -> None:
    space = make_space(10, 10, ("a", "b", "c"))
    assert space.size == 10**6
    exhausted = frozenset({Candidate.baseline(3).id})
    answer = surrogate.suggest(space, [], [], exhausted, 0)
    assert answer is not None and answer.id not in exhausted


def test_there_is_no_answer_when_everything_is_exhausted(surrogate: Surrogate) -> None:
    space = make_space(2, 2)
    exhausted = frozenset(candidate.id for candidate in everything(space))
    assert surrogate.suggest(space, seen(*everything(space)), [], exhausted, 0) is None


def test_a_space_without_a_choice_has_one_candidate(surrogate: Surrogate) -> None:
    space = make_space(1, 1)
    baseline = Candidate.baseline(2)
    assert surrogate.suggest(space, [], [], frozenset(), 0) == baseline
    assert surrogate.suggest(space, seen(baseline), [], frozenset({baseline.id}), 0) is None


def test_arms_may_be_added_between_two_questions(surrogate: Surrogate) -> None:
    small, large = make_space(2, 2), make_space(3, 2)
    old = everything(small)
    exhausted = frozenset(candidate.id for candidate in old)
    answer = surrogate.suggest(large, seen(*old), old[:1], exhausted, 0)
    assert answer is not None
    assert 2 in (answer.arm(0, INSTRUCTION), answer.arm(1, INSTRUCTION))


def test_arms_may_be_taken_out_between_two_questions(surrogate: Surrogate) -> None:
    large, small = make_space(3, 2), make_space(2, 2)
    history = seen(*everything(large))
    for seed in range(10):
        answer = surrogate.suggest(small, history, everything(large)[-2:], frozenset(), seed)
        assert answer in everything(small)


def test_suggestions_are_of_the_space(surrogate: Surrogate) -> None:
    space = make_space()
    points = everything(space)
    for number in range(20):
        answer = surrogate.suggest(space, seen(*points[: 3 * number]), points[:2], frozenset(), number)
        assert answer in points


def test_a_question_changes_nothing_it_is_given(surrogate: Surrogate) -> None:
    space = make_space()
    history, pending = seen(*everything(space)[:12]), everything(space)[12:14]
    before = (list(history), list(pending))
    surrogate.suggest(space, history, pending, frozenset(), 0)
    assert (history, pending) == before


@pytest.mark.parametrize("name", MODELS)
def test_the_model_prefers_what_scored_well(name: str) -> None:
    space = make_space()
    history = seen(*everything(space)[::3])
    answers = [CASES[name]().suggest(space, history, [], frozenset(), seed) for seed in range(20)]
    assert sum(answer is not None and answer.arm(0, INSTRUCTION) == 2 for answer in answers) >= 12


@pytest.mark.parametrize("name", ["tpe", "plain tpe"])
def test_what_is_under_way_is_kept_away_from(name: str) -> None:
    # Two arms are equally good, and one of them is being evaluated eight times over.
    space = make_space(6, 1, ("a",))
    good, busy = Candidate.parse("i4d0"), Candidate.parse("i2d0")
    history = [
        Observation(candidate, 0.9 if candidate in (good, busy) else 0.4, N, {})
        for candidate in everything(space) * 4
    ]
    alone = [CASES[name]().suggest(space, history, [], frozenset(), seed) for seed in range(30)]
    beside = [CASES[name]().suggest(space, history, [busy] * 8, frozenset(), seed) for seed in range(30)]
    assert alone.count(busy) >= 8
    assert beside.count(busy) <= alone.count(busy) // 2


@pytest.mark.parametrize("settled", [False, True])
def test_the_first_suggestions_under_way_together_try_every_arm(settled: bool) -> None:
    space = make_space(6, 6)
    baseline = Candidate.baseline(2)
    history, pending = (seen(baseline), []) if settled else ([], [baseline])
    for number in range(5):
        answer = ItemResponse().suggest(space, history, pending, frozenset({baseline.id}), number)
        assert answer is not None
        pending.append(answer)
    tried = [baseline, *pending[not settled :]]
    for parameter in space.parameters:
        assert sorted(space.values(candidate)[parameter.name] for candidate in tried) == list(range(6))


@pytest.mark.parametrize(
    ("settings", "kind", "told"),
    [
        ({"schedule": "minibatch", "lag": 1}, ReplayedTpe, [0.375, 0.5, 0.75]),
        ({"schedule": "minibatch", "lag": 6}, TpeSurrogate, [0.375, 0.5, 0.75]),
        ({"schedule": "full", "lag": 1}, ReplayedTpe, [0.375, 0.5, 0.75]),
    ],
)
def test_tpe_is_told_the_mean_of_each_trials_own_cells_and_full_evaluations_beside_them(
    settings: dict[str, Any], kind: type, told: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    studies = []
    create = optuna.create_study

    def watched(**asked: Any) -> optuna.Study:
        studies.append(create(**asked))
        return studies[-1]

    monkeypatch.setattr(optuna, "create_study", watched)
    space = make_space(4, 1, ("a",))
    good = Candidate.parse("i1d0")
    observed = [
        Observation(Candidate.baseline(1), 0.375, 8, own=0.375, number=0, suggested=False, full=True),
        Observation(good, 0.7, 40, own=0.5, number=1),
        Observation(good, 0.7, 40, own=0.75, number=1, suggested=False, full=True),
    ]
    surrogate = make_surrogate(SearchSettings(surrogate="tpe", **settings))
    assert isinstance(surrogate, kind)
    surrogate.suggest(space, observed, [], frozenset(), 0)
    values = [trial.value for trial in studies[0].trials if trial.state is optuna.trial.TrialState.COMPLETE]
    assert sorted(values) == told


def test_in_a_race_tpe_is_told_shrunk_means() -> None:
    surrogate = make_surrogate(SearchSettings(surrogate="tpe", schedule="racing"))
    assert isinstance(surrogate, TpeSurrogate) and surrogate._shrink


def test_a_replayed_study_is_the_one_that_went_on() -> None:
    # Trial 2 failed, and a person's arm took the place of suggestion 4.
    space = make_space(5, 4, ("a", "b"))
    through = ReplayedTpe()
    observed = [Observation(Candidate.baseline(2), 0.4, N, suggested=False, full=True)]
    for number in range(1, 16):
        found = through.next(space, observed, number, seed=5)
        assert ReplayedTpe().next(space, observed, number, seed=5) == found
        if number == 4:
            found = Candidate.parse("i4d3-i4d3")
        if number != 2:
            observed.append(Observation(found, quality(found), N, number=number))
        if number % 5 == 0:
            observed.append(Observation(found, quality(found), N, number=number, suggested=False, full=True))
