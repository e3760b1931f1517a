"""What decisions are told of trials."""

import pytest

from mipro_studio.optimizer_core.evaluation.objective import objective_of
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.search.knowledge import Knowledge
from mipro_studio.optimizer_core.types import TraceStep, Trial, TrialKind
from tests.optimizer_core.builders import scored


@pytest.mark.parametrize(("text", "told"), [("score", 0.7), ("score - 0.1*seconds", 0.4)])
def test_surrogates_are_told_what_is_maximized(text: str, told: float) -> None:
    cells = [scored("i0d0", "one", 0.8, seconds_s=2.0), scored("i0d0", "two", 0.6, seconds_s=4.0)]
    trial = Trial(1, 1, TrialKind.MINIBATCH, "i0d0", ("one", "two"), True, 0.7, 2)
    (observed,) = Knowledge(ScoreTable(cells), objective_of(text)).observed([trial])
    assert (observed.mean, observed.own) == (pytest.approx(told), pytest.approx(told))


def test_answers_are_told_of_programs_that_ask_each_predictor_once_and_without_their_reasoning() -> None:
    first = TraceStep("first", {"q": "a"}, {"reasoning": "because", "gist": "x"})
    second = TraceStep("second", {"gist": "x"}, {"answer": 3})
    cells = [
        scored("i0d0-i0d0", "both", 1.0, trace=(first, second)),
        scored("i0d0-i0d0", "twice", 1.0, trace=(first, first, second)),
        scored("i0d0-i0d0", "one", 1.0, trace=(second,)),
    ]
    trial = Trial(1, 1, TrialKind.MINIBATCH, "i0d0-i0d0", ("both", "twice", "one"), True, 1.0, 3)
    told = Knowledge(ScoreTable(cells), objective_of("score"), ["first", "second"]).observed([trial])[0]
    assert told.answers == {"both": ((0, '{"gist": "x"}'), (1, '{"answer": 3}'))}
