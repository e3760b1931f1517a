"""Models: every attempt is metered, failures are classified, keys and names are checked."""

import asyncio
import time

import dspy
import pytest
from dspy.clients.engines.lm15_engine import LM15Engine
from dspy.utils import exceptions as dspy_errors

from mipro_studio.optimizer_core.config import Budget, ModelSpec
from mipro_studio.optimizer_core.errors import BadInput, BudgetReached, RunPaused
from mipro_studio.optimizer_core.models import attempts
from mipro_studio.optimizer_core.models.calls import collect_calls
from mipro_studio.optimizer_core.models.classes import classify
from mipro_studio.optimizer_core.models.lms import build_lm
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.types import ErrorClass, Role
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import build_role_model


@pytest.fixture
def endpoint(http_endpoint: LoopbackEndpoint) -> LoopbackEndpoint:
    """Over HTTP: what a lost connection or a slow answer becomes is decided by sockets."""
    return http_endpoint


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"fault_script": ["429"]}, ErrorClass.RATE_LIMIT),
        ({"fault_script": ["500"]}, ErrorClass.SERVER),
        ({"fault_script": ["drop"]}, ErrorClass.CONNECTION),
        ({"listening": False}, ErrorClass.CONNECTION),
        ({"fault_script": ["hang"], "hang_s": 5.0}, ErrorClass.TIMEOUT),
        ({"require_key": "another"}, ErrorClass.AUTH),
        ({"models": ["another"]}, ErrorClass.MODEL),
    ],
    ids=lambda value: value.value if isinstance(value, ErrorClass) else "",
)
def test_a_failure_of_the_endpoint_has_its_class(
    endpoint: LoopbackEndpoint, fault: dict[str, object], expected: ErrorClass
) -> None:
    endpoint.control(**fault)
    meter = Meter(Budget())
    with pytest.raises(dspy_errors.LMError) as caught:
        build_role_model(endpoint, meter, timeout_s=0.4).lm("hello")
    assert classify(caught.value) is expected
    assert meter.total(Role.TASK).calls == 1
    endpoint.control(listening=True)


def test_a_programs_own_error_has_no_class() -> None:
    assert classify(ValueError("mine")) is None
    assert classify(TimeoutError("mine")) is None


def test_every_attempt_is_counted_and_a_retried_call_is_answered_once(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(fault_script=["500", "429", "drop"])
    meter = Meter(Budget())
    with collect_calls() as log:
        build_role_model(endpoint, meter, retries=4).lm("hello")
    assert endpoint.stats()["total"] == 4
    total = meter.total(Role.TASK)
    assert (total.calls, total.retries) == (4, 3)
    assert (len(log.calls), log.failed) == (1, 3)
    assert total.input_tokens > 0 and total.output_tokens > 0 and total.lm_s > 0


def test_retries_end(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(fail_rate=1.0, fail_kinds={"500": 1.0})
    with pytest.raises(dspy_errors.LMServerError):
        build_role_model(endpoint, Meter(Budget()), retries=2).lm("hello")
    assert endpoint.stats()["total"] == 3


def test_what_does_not_pass_with_time_is_not_tried_again(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(require_key="another")
    with pytest.raises(dspy_errors.LMAuthError):
        build_role_model(endpoint, Meter(Budget()), retries=4).lm("hello")
    assert endpoint.stats()["total"] == 1


def test_retries_stop_at_a_cap(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(fail_rate=1.0, fail_kinds={"500": 1.0})
    with pytest.raises(BudgetReached):
        build_role_model(endpoint, Meter(Budget(max_lm_calls=3)), retries=10).lm("hello")
    assert endpoint.stats()["total"] == 3


def test_a_retry_after_is_waited_for(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(fault_script=["429"], retry_after_s=0.4)
    started = time.monotonic()
    build_role_model(endpoint, Meter(Budget()), retries=1).lm("hello")
    assert time.monotonic() - started >= 0.4


def test_a_halt_wakes_those_who_wait_for_their_retry(
    endpoint: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "FIRST_BACKOFF_S", 600.0)
    monkeypatch.setattr(attempts, "LONGEST_BACKOFF_S", 600.0)
    endpoint.control(listening=False)
    started = time.monotonic()
    with pytest.raises(RunPaused):
        build_role_model(endpoint, Meter(Budget(), pause_after=1), retries=5).lm("hello")
    assert time.monotonic() - started < 200
    endpoint.control(listening=True)


def test_prices_give_dollars_and_an_endpoint_of_ones_own_has_none(endpoint: LoopbackEndpoint) -> None:
    meter = Meter(Budget())
    build_role_model(endpoint, meter, input_usd_per_mtok=1e6, output_usd_per_mtok=0.0).lm("hello")
    assert meter.total(Role.TASK).cost_usd == meter.total(Role.TASK).input_tokens
    unknown = Meter(Budget())
    build_role_model(endpoint, unknown).lm("hello")
    assert unknown.total(Role.TASK).cost_usd is None


def test_no_reply_is_cached(endpoint: LoopbackEndpoint) -> None:
    one = build_role_model(endpoint, Meter(Budget())).lm
    assert one("hello") == one("hello")
    assert endpoint.stats()["total"] == 2


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(BadInput, match="'NO_SUCH_KEY'"):
        build_lm(ModelSpec(model="openai/m", api_key_env="NO_SUCH_KEY"), Role.TASK, Meter(Budget()), 0, 0)
    monkeypatch.setenv("NO_SUCH_KEY", "")
    with pytest.raises(BadInput, match="is not set"):
        build_lm(ModelSpec(model="openai/m", api_key_env="NO_SUCH_KEY"), Role.TASK, Meter(Budget()), 0, 0)


def test_the_key_goes_to_the_endpoint_and_is_not_in_the_models_text(
    endpoint: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOP_KEY", "sk-canary-1234")
    endpoint.control(require_key="sk-canary-1234")
    one = build_role_model(endpoint, Meter(Budget()), api_key_env="LOOP_KEY").lm
    assert one("hello")
    assert "canary" not in repr(one) + str(one.kwargs)


def test_the_metered_model_is_a_dspy_model_with_one_adapter(endpoint: LoopbackEndpoint) -> None:
    one = build_role_model(endpoint, Meter(Budget()))
    with dspy.context(lm=one.lm, adapter=one.adapter):
        assert dspy.Predict("text -> label")(text="x").label


@pytest.mark.parametrize("asynchronous", [False, True], ids=["called", "awaited"])
def test_what_the_native_engine_cannot_carry_goes_the_way_that_dspy_chooses(
    endpoint: LoopbackEndpoint, asynchronous: bool
) -> None:
    meter = Meter(Budget())
    lm = build_role_model(endpoint, meter).lm
    sound = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    file = {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGVsbG8=", "filename": "a.pdf"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, sound, file]}]
    with collect_calls() as log:
        assert asyncio.run(lm.acall(messages=messages)) if asynchronous else lm(messages=messages)
    assert [list(call.messages) for call in log.calls] == [messages]
    assert meter.total(Role.TASK).calls == 1
    assert isinstance(lm.engine, LM15Engine), "the next call is the native engine's again"
