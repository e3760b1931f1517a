"""What endpoints really answer: usage of any kind, refusals, replies that are none, too slow or without end."""

import asyncio
import functools
import gzip
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from functools import partial
from typing import Any

import dspy
import pytest
from dspy.utils.exceptions import LMError

from mipro_studio.optimizer_core.config import Budget, ModelSpec
from mipro_studio.optimizer_core.errors import BudgetReached
from mipro_studio.optimizer_core.evaluation.program_run import run_once
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models import attempts
from mipro_studio.optimizer_core.models.calls import collect_calls
from mipro_studio.optimizer_core.models.classes import classify
from mipro_studio.optimizer_core.models.lms import MeteredLM, build_lm
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.models.tokens import count_tokens, message_texts, reported
from mipro_studio.optimizer_core.types import Cell, ErrorClass, Example, Role, Split, Usage
from tests.loopback.raw import RawEndpoint, completion, error, http, without_end
from tests.optimizer_core.scripted import chat

ROW = Example("e", Split.VAL, 0, {"question": "what?"}, {})
GOOD = chat(answer="yes")


@pytest.fixture(scope="module")
def raw() -> Iterator[RawEndpoint]:
    with RawEndpoint(lambda: completion(GOOD)) as endpoint:
        yield endpoint


def lm_of(endpoint: RawEndpoint, meter: Meter | None = None, retries: int = 0, **spec: Any) -> MeteredLM:
    settings = ModelSpec(model="openai/m", api_base=endpoint.base_url, **{"timeout_s": 10.0, **spec})
    return build_lm(settings, Role.TASK, meter or Meter(Budget()), retries, 0)


def cell_of(endpoint: RawEndpoint, meter: Meter | None = None) -> Cell:
    role_model = RoleModel(lm_of(endpoint, meter), dspy.ChatAdapter())
    scorer = Scorer(lambda example, prediction, trace=None: prediction.answer == "yes", "m")
    return run_once(dspy.Predict("question -> answer"), ROW, role_model, scorer, "c")


def spent(endpoint: RawEndpoint) -> Usage:
    cell = cell_of(endpoint)
    assert (cell.score, cell.error) == (1.0, None), cell.error_message
    return cell.usage


NO_COUNT: dict[str, Any] = {
    "none": None,
    "text": {"prompt_tokens": "many", "completion_tokens": "few"},
    "below zero": {"prompt_tokens": -5, "completion_tokens": -1},
    "beyond all measure": {"prompt_tokens": 10**25, "completion_tokens": 1e30},
    "null": {"prompt_tokens": None, "completion_tokens": None},
    "nested": {"prompt_tokens": {"all": 3}, "completion_tokens": [4]},
    "a list": [1, 2],
    "a word": "lots",
    "a number": 7,
    "truths": {"prompt_tokens": True, "completion_tokens": True},
    "zeros": {"prompt_tokens": 0, "completion_tokens": 0},
    "details that are none": {"prompt_tokens_details": "x", "completion_tokens_details": 3},
}


@pytest.mark.parametrize("usage", NO_COUNT.values(), ids=NO_COUNT)
def test_a_reply_without_a_usable_usage_is_an_answer_whose_tokens_are_estimated(raw: RawEndpoint, usage: Any) -> None:
    raw.answer = lambda: completion(GOOD, usage=usage)
    usage_of = spent(raw)
    assert usage_of.output_tokens == count_tokens([GOOD])
    assert 50 < usage_of.input_tokens < 500
    assert usage_of.estimated_tokens == usage_of.input_tokens + usage_of.output_tokens


def test_only_the_missing_half_of_a_usage_is_estimated(raw: RawEndpoint) -> None:
    raw.answer = lambda: completion(GOOD, usage={"prompt_tokens": 1234})
    usage = spent(raw)
    assert (usage.input_tokens, usage.estimated_tokens) == (1234, usage.output_tokens)


def test_a_reported_usage_stands(raw: RawEndpoint) -> None:
    raw.answer = lambda: completion(GOOD, usage={"prompt_tokens": 12, "completion_tokens": 3.0, "total_tokens": 15})
    usage = spent(raw)
    assert (usage.input_tokens, usage.output_tokens, usage.estimated_tokens) == (12, 3, 0)


def test_caps_on_tokens_and_dollars_bind_without_a_usage(raw: RawEndpoint) -> None:
    raw.answer = lambda: completion(GOOD)
    prices = {"input_usd_per_mtok": 1000.0, "output_usd_per_mtok": 1000.0}
    for budget in (Budget(max_tokens=300), Budget(max_usd=0.3)):
        meter = Meter(budget)
        lm = lm_of(raw, meter, **prices)
        with pytest.raises(BudgetReached):
            for _ in range(100):
                lm("hello " * 20)
        total = meter.total(Role.TASK)
        assert 2 < total.calls < 30
        assert total.cost_usd == pytest.approx((total.input_tokens + total.output_tokens) / 1000)


def test_estimates_are_near_what_a_tokenizer_of_a_model_gives_and_need_no_network() -> None:
    words = "The quick brown fox jumps over the lazy dog. " * 40
    assert 380 <= count_tokens([words]) <= 420
    assert count_tokens(["<|endoftext|>"]) > 1  # a text, and not what it would mean to a model
    texts, more = message_texts(
        [
            {"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {}}]},
            {"role": "assistant", "content": None},
        ]
    )
    assert texts == ["look"] and more > 1000
    assert reported({"a": 5}, "a") == 5 and reported({"a": float("nan")}, "a") is None


ANSWERS: dict[str, tuple[bytes, ErrorClass]] = {
    "an input filter (400)": (error(400, "The response was filtered", "content_filter"), ErrorClass.REFUSAL),
    "an input filter (422)": (error(422, "Input violates our content policy"), ErrorClass.REFUSAL),
    "a filter without a code": (
        error(400, "Your request was rejected as a result of our safety system."),
        ErrorClass.REFUSAL,
    ),
    "a filter that blocks (400)": (error(400, "Prompt blocked: OTHER"), ErrorClass.REFUSAL),
    "a filter that inspects (400)": (error(400, "no", "data_inspection_failed"), ErrorClass.REFUSAL),
    "a policy (422)": (error(422, "This request violates our usage policies."), ErrorClass.REFUSAL),
    "for legal reasons (451)": (error(451, "not here"), ErrorClass.REFUSAL),
    "an output filter under a name of its own": (completion("", finish="SAFETY"), ErrorClass.REFUSAL),
    "another such name": (completion("I will", finish="guardrail_intervened"), ErrorClass.REFUSAL),
    "a full window as the end": (completion("I will", finish="length"), ErrorClass.PARSE),
    "a blocked account (403)": (error(403, "Your account has been blocked"), ErrorClass.AUTH),
    "moderation (403)": (error(403, "your input was flagged by moderation"), ErrorClass.REFUSAL),
    "an output filter": (completion("", finish="content_filter"), ErrorClass.REFUSAL),
    "an output filter in the middle": (completion("I will", finish="content_filter"), ErrorClass.REFUSAL),
    "the model's refusal": (completion(None, refusal="I cannot help with that."), ErrorClass.REFUSAL),
    "context length": (error(400, "too long", "context_length_exceeded"), ErrorClass.CONTEXT),
    "context length in words": (error(413, "Your prompt is too long for this model"), ErrorClass.CONTEXT),
    "another request": (error(400, "Invalid image"), ErrorClass.REQUEST),
    "a request too large": (error(413, "Payload too large"), ErrorClass.REQUEST),
    "nothing": (completion(""), ErrorClass.EMPTY),
    "null": (completion(None), ErrorClass.EMPTY),
    "no choices": (http(b'{"id": "x", "model": "m", "choices": []}'), ErrorClass.EMPTY),
    "a page": (http(b"<html>gateway</html>"), ErrorClass.MALFORMED),
    "no body": (http(b""), ErrorClass.MALFORMED),
    "half of a body": (http(b'{"id": "x", "choi'), ErrorClass.MALFORMED),
    "another kind of JSON": (http(b"[1, 2]"), ErrorClass.MALFORMED),
    "prose": (completion("I would rather not."), ErrorClass.PARSE),
    "a wrong key": (error(401, "bad key", "invalid_api_key"), ErrorClass.AUTH),
    "a forbidden key": (error(403, "this key has no access"), ErrorClass.AUTH),
    "no such model": (error(404, "The model does not exist", "model_not_found"), ErrorClass.MODEL),
    "no such page": (http(b"not found", 404), ErrorClass.MODEL),
    "busy": (error(503, "overloaded"), ErrorClass.SERVER),
    "a gateway's timeout": (error(504, "upstream"), ErrorClass.TIMEOUT),
}


@pytest.mark.parametrize(("answer", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_what_an_endpoint_answers_has_its_class(raw: RawEndpoint, answer: bytes, expected: ErrorClass) -> None:
    raw.answer = lambda: answer
    cell = cell_of(raw)
    assert (cell.error, cell.score) == (expected, None), cell.error_message


def slowly(pieces: bytes) -> Iterator[bytes]:
    for place in range(len(pieces)):
        yield pieces[place : place + 1]


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4000\r\n\r\n"


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize(
    "answer", [HEAD + b" " * 4000, b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 600], ids=["body", "head"]
)
def test_a_byte_at_a_time_ends_at_the_timeout_of_the_call(answer: bytes, how: str) -> None:
    with RawEndpoint(lambda: slowly(answer), pause_s=0.05) as endpoint:
        lm = lm_of(endpoint, timeout_s=0.6)
        started = time.monotonic()
        with pytest.raises(LMError) as caught:
            lm("hello") if how == "sync" else asyncio.run(lm.acall("hello"))
        assert time.monotonic() - started < 100
    assert classify(caught.value) is ErrorClass.TIMEOUT


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_call_that_goes_through_litellm_has_the_deadline_too(
    raw: RawEndpoint, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    async def later(**request: Any) -> None:
        await asyncio.sleep(200)

    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")  # a gateway, which DSPy leaves to LiteLLM
    monkeypatch.setattr("dspy.clients.lm.litellm_completion", lambda **request: released.wait(200))
    monkeypatch.setattr("dspy.clients.lm.alitellm_completion", later)
    lm = lm_of(raw, timeout_s=0.3)
    assert lm.engine == "auto"
    started = time.monotonic()
    with pytest.raises(LMError) as caught:
        lm("hello") if how == "sync" else asyncio.run(lm.acall("hello"))
    assert time.monotonic() - started < 100
    released.set()
    assert classify(caught.value) is ErrorClass.TIMEOUT


def test_a_connection_serves_one_call_after_another_each_with_its_own_deadline() -> None:
    with RawEndpoint(lambda: completion("ok"), pause_s=0.15) as endpoint:
        lm = lm_of(endpoint, timeout_s=0.4)
        assert [lm("hello")[0] for _ in range(5)] == ["ok"] * 5


def test_a_reply_without_end_is_left_after_so_many_bytes() -> None:
    meter = Meter(Budget())
    with RawEndpoint(without_end) as endpoint:
        with pytest.raises(LMError) as caught:
            lm_of(endpoint, meter, retries=3, timeout_s=60.0)("hello")
        assert endpoint.sent_bytes < 64 * 1024 * 1024
    assert classify(caught.value) is ErrorClass.MALFORMED
    assert meter.total(Role.TASK).calls == 1  # not once more


@functools.cache
def packed(times: int) -> bytes:
    """A small answer that unpacks to 64 MB, compressed `times` over."""
    body = b" " * (64 * 1024 * 1024)
    for _ in range(times):
        body = gzip.compress(body, 1)
    return http(body, content_encoding=", ".join(["gzip"] * times))


@pytest.mark.parametrize("way", ["native", "litellm"])
@pytest.mark.parametrize(
    "answer", [partial(packed, 1), partial(packed, 2), without_end], ids=["packed", "packed twice", "without end"]
)
def test_a_reply_may_unpack_to_so_much_and_no_more_whichever_way_it_comes(
    answer: Any, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "litellm":
        monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")  # a gateway, which DSPy leaves to LiteLLM
    meter = Meter(Budget())
    with RawEndpoint(answer) as endpoint:
        lm = lm_of(endpoint, meter, retries=3, timeout_s=100.0)
        assert isinstance(lm.engine, str) is (way == "litellm")
        with pytest.raises(LMError, match="longer than an answer can be") as caught:
            lm("hello")
        assert endpoint.sent_bytes < 64 * 1024 * 1024
    assert classify(caught.value) is ErrorClass.MALFORMED
    assert meter.total(Role.TASK).calls == 1  # not once more


def test_a_reply_that_is_packed_is_read_all_the_same(raw: RawEndpoint) -> None:
    body = completion(GOOD).partition(b"\r\n\r\n")[2]
    raw.answer = lambda: http(gzip.compress(body), content_encoding="gzip")
    assert cell_of(raw).score == 1.0


@pytest.mark.parametrize(
    "value", ["0.4", formatdate(time.time() + 3600, usegmt=True), "soon"], ids=["seconds", "date", "neither"]
)
def test_retry_after_is_read_as_seconds_and_as_a_date(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(attempts, "FIRST_BACKOFF_S", 0.01)
    answers = [error(429, "slow down", retry_after=value), completion("ok")]
    with RawEndpoint(lambda: answers.pop(0)) as endpoint:
        meter = Meter(Budget())
        monkeypatch.setattr(meter.halted, "wait", waited.append)
        assert lm_of(endpoint, meter, retries=1)("hello")[0] == "ok"
    expected = {"0.4": 0.4, "soon": pytest.approx(0.0075, abs=0.003)}.get(value, attempts.LONGEST_RETRY_AFTER_S)
    assert waited == [expected]


def test_a_prompt_model_that_is_refused_leaves_the_reason(raw: RawEndpoint) -> None:
    raw.answer = lambda: completion(None, refusal="I cannot help with that.")
    with collect_calls(lm=lm_of(raw)) as log, pytest.raises(dspy.utils.exceptions.AdapterParseError):
        dspy.Predict("question -> answer")(question="what?")
    assert {call.refusal for call in log.calls} == {"I cannot help with that."}
