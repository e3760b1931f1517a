"""A model as the metric: the share of criteria, its calls counted apart, its failures no scores."""

import pytest

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.metrics.judge import judge_scorer
from mipro_studio.optimizer_core.types import ErrorClass, Role, Split, Status
from tests.loopback import LoopbackEndpoint
from tests.loopback.inprocess import InProcessEndpoint
from tests.optimizer_core.builders import NOBODY, live, make_config

CRITERIA = ["It names a queue.", "It is polite."]
NO_CODE = "predict:message -> queue"


def judged(endpoint: LoopbackEndpoint, **changes: object) -> dict[str, object]:
    judge = {"criteria": CRITERIA, "model": {"model": "openai/judge", "api_base": endpoint.base_url}}
    return {
        "program": NO_CODE,
        "metric": "judge",
        "judge": judge,
        "search": {"trials": 2, "minibatch_size": 6},
        **changes,
    }


def test_a_run_is_scored_by_the_judge_and_its_calls_are_counted_apart(
    endpoint: LoopbackEndpoint,
) -> None:
    life = live(make_config(endpoint, **judged(endpoint)))
    assert life.ending.status is Status.COMPLETED, life.ending.reason
    cells = [cell for cell in life.journal.cells() if cell.score is not None]
    assert cells
    assert {cell.score for cell in cells} <= {0.0, 0.5, 1.0}
    assert all(cell.feedback.startswith(("Not met: It ", "All criteria")) for cell in cells)
    assert all(set(cell.prediction) == {"queue"} for cell in cells)
    on_val = [cell for cell in life.journal.cells() if cell.key.split is not Split.TEST]
    assert life.context.meter.total(Role.JUDGE).calls == len(CRITERIA) * len(on_val)
    # What it says of the sealed test is the judge's too, apart and under no cap.
    tested = [cell for cell in life.journal.cells() if cell.key.split is Split.TEST]
    assert tested and life.context.meter.total(Role.JUDGE_TEST).calls == len(CRITERIA) * len(tested)
    assert life.context.meter.total(Role.TEST).calls == len(tested)
    assert all({step.predictor for step in cell.trace} == {"queue"} for cell in cells)


def test_a_cap_ends_the_search_and_the_sealed_test_is_still_judged(endpoint: LoopbackEndpoint) -> None:
    life = live(make_config(endpoint, **judged(endpoint, budget={"max_lm_calls": 150})))
    outcome = life.journal.outcome()
    assert life.ending.capped, life.ending.reason
    assert outcome is not None and outcome.baseline_test is not None
    assert outcome.baseline_test["n_error"] == 0
    assert life.context.meter.capped_total().calls <= 150


def test_a_judge_that_cannot_be_reached_gives_errors_and_no_scores(endpoint: LoopbackEndpoint) -> None:
    judge = {"criteria": CRITERIA, "model": {"model": "openai/judge", "api_base": "http://127.0.0.1:9/v1"}}
    config = make_config(endpoint, **judged(endpoint, judge=judge, retries=0))
    life = live(config)
    cells = list(life.journal.cells())
    assert cells and all(cell.error is ErrorClass.CONNECTION for cell in cells)


def test_a_judge_without_criteria_is_refused(endpoint: LoopbackEndpoint) -> None:
    config = make_config(endpoint, program=NO_CODE, metric="judge", judge={"criteria": ["  "]})
    with pytest.raises(BadInput, match="no criteria"):
        judge_scorer(config, NOBODY)


def test_a_refused_key_of_the_judge_is_told_with_its_role_and_its_variable(
    endpoint: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_JUDGE", "wrong-key-0000")
    with InProcessEndpoint(responder="oracle", require_key="right-key-0000") as apart:
        model = {"model": "openai/judge", "api_base": apart.base_url, "api_key_env": "OF_THE_JUDGE"}
        life = live(make_config(endpoint, **judged(endpoint, judge={"criteria": CRITERIA, "model": model})))
    assert life.ending.status is Status.FAILED
    assert "'OF_THE_JUDGE'" in life.ending.reason and "judge, 'openai/judge'" in life.ending.reason
    assert "wrong-key" not in life.ending.reason
