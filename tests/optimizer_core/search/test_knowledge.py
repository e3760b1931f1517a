"""What decisions are told of trials."""

import pytest

from mipro_studio.optimizer_core.evaluation.objective import objective_of
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.search.knowledge import Knowledge
from mipro_studio.optimizer_core.types import Trial, TrialKind
from tests.optimizer_core.builders import scored


@pytest.mark.parametrize(("text", "told"), [("score", 0.7), ("score - 0.1*seconds", 0.4)])
def test_surrogates_are_told_what_is_maximized(text: str, told: float) -> None:
    cells = [scored("i0d0", "one", 0.8, seconds_s=2.0), scored("i0d0", "two", 0.6, seconds_s=4.0)]
    trial = Trial(1, 1, TrialKind.MINIBATCH, "i0d0", ("one", "two"), True, 0.7, 2)
    (observed,) = Knowledge(ScoreTable(cells), objective_of(text)).observed([trial])
    assert (observed.mean, observed.own) == (pytest.approx(told), pytest.approx(told))
