"""The loopback endpoint behaves like a provider towards DSPy, and counts what arrives."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import dspy
import httpx
import pytest
from dspy.utils import exceptions as dspy_errors
from dspy.utils.exceptions import is_retryable_lm_error

from tests.loopback import LoopbackConfig, LoopbackEndpoint
from tests.loopback.faults import FaultPlan
from tests.loopback.responders import Oracle
from tests.loopback.stats import StatsBook

GOLD = {f"text {i}": {"label": ("ham", "spam", "eggs")[i % 3]} for i in range(300)}


@pytest.fixture(autouse=True)
def _no_price_download(monkeypatch: pytest.MonkeyPatch) -> None:
    # DSPy fetches a price list over the network on the first priced call otherwise.
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "true")


@pytest.fixture(scope="module")
def shared() -> Iterator[LoopbackEndpoint]:
    with LoopbackEndpoint(responder="oracle", gold=GOLD, keep_requests=True) as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(shared: LoopbackEndpoint) -> LoopbackEndpoint:
    defaults = LoopbackConfig(responder="oracle", gold=GOLD, keep_requests=True)
    shared.control(**defaults.to_json())
    shared.reset()
    return shared


def make_lm(endpoint: LoopbackEndpoint, **settings: Any) -> dspy.LM:
    settings = {"api_key": "x", "cache": False, "num_retries": 0, **settings}
    return dspy.LM("openai/loop", api_base=endpoint.base_url, **settings)


def classifier(instruction: str) -> dspy.Predict:
    return dspy.Predict(dspy.Signature("text -> label", instruction))


def answers(lm: dspy.LM, instruction: str, texts: list[str], threads: int = 8) -> list[str]:
    program = classifier(instruction)

    def one(text: str) -> str:
        with dspy.context(lm=lm):
            return str(program(text=text).label)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, texts))


def test_accuracy_follows_the_stated_quality(endpoint: LoopbackEndpoint) -> None:
    lm = make_lm(endpoint)
    for quality in (0.2, 0.9):
        given = answers(lm, f"Name the breakfast. q={quality}", list(GOLD))
        right = sum(answer == GOLD[text]["label"] for text, answer in zip(GOLD, given, strict=True))
        assert abs(right / len(GOLD) - quality) < 0.08
        assert set(given) == {"ham", "spam", "eggs"}
    stats = endpoint.stats()
    assert (stats["total"], stats["ok"], stats["failed"]) == (600, 600, 0)
    assert stats["roles"]["loop"]["total"] == 600


def test_same_prompt_same_reply_whatever_the_order(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(latency_s=0.02, jitter=0.5)
    texts = list(GOLD)[:64]
    first = answers(make_lm(endpoint, temperature=0.0), "Judge it.", texts, threads=16)
    # The log is in order of completion, which the jitter has to have shuffled.
    left = [entry["serial"] for entry in endpoint.requests()]
    assert left != sorted(left)
    assert first == answers(make_lm(endpoint, temperature=1.0), "Judge it.", texts, threads=3)
    with LoopbackEndpoint(responder="oracle", gold=GOLD, in_thread=True) as other:
        assert first == answers(make_lm(other), "Judge it.", texts)


def test_instructions_and_demos_move_the_quality() -> None:
    oracle = Oracle(LoopbackConfig(gold=GOLD))
    levels = [oracle.quality(f"instruction {i}") for i in range(200)]
    assert min(levels) >= 0.3
    assert max(levels) <= 0.8
    assert max(levels) - min(levels) > 0.4
    assert oracle.quality("q=0.5", "demos", 4) > oracle.quality("q=0.5")


def test_typed_fields_demos_and_json(endpoint: LoopbackEndpoint) -> None:
    class Typed(dspy.Signature):
        """Fill every field."""

        text: str = dspy.InputField()
        label: Literal["ham", "spam", "eggs"] = dspy.OutputField()
        colour: Literal["red", "dark blue"] = dspy.OutputField()
        score: float = dspy.OutputField()
        sure: bool = dspy.OutputField()
        tags: list[str] = dspy.OutputField()

    for adapter in (dspy.ChatAdapter(), dspy.JSONAdapter()):
        program = dspy.ChainOfThought(Typed)
        demo = {"text": "text 1", "reasoning": "r", "label": "spam", "colour": "red", "score": 1.0}
        program.predict.demos = [dspy.Example(**demo, sure=True, tags=["x"])]
        with dspy.context(lm=make_lm(endpoint), adapter=adapter):
            result = program(text="text 2")
        assert result.label in ("ham", "spam", "eggs")
        assert result.colour in ("red", "dark blue")
        assert isinstance(result.score, float)
        assert isinstance(result.sure, bool)
        assert isinstance(result.tags, list)
        assert result.reasoning
    assert endpoint.stats()["total"] == 2


def test_proposer_replies_differ_by_prompt(endpoint: LoopbackEndpoint) -> None:
    propose = dspy.Predict("task_demos, basic_instruction, tip -> proposed_instruction")
    observe = dspy.Predict("examples, prior_observations -> observations")
    with dspy.context(lm=make_lm(endpoint)):
        proposals = {
            propose(task_demos="d", basic_instruction="b", tip=f"tip {i}").proposed_instruction for i in range(20)
        }
        notes = [observe(examples=f"e {i}", prior_observations="p").observations for i in range(30)]
    assert len(proposals) == 20
    assert 2 <= notes.count("COMPLETE") <= 20


FAULTS = [
    ("429", dspy_errors.LMRateLimitError, True),
    ("500", dspy_errors.LMServerError, True),
    ("drop", dspy_errors.LMTransportError, True),
    ("hang", dspy_errors.LMTransportError, True),
]


@pytest.mark.parametrize(("kind", "error", "retryable"), FAULTS)
def test_faults_as_dspy_raises_them(
    endpoint: LoopbackEndpoint, kind: str, error: type[Exception], retryable: bool
) -> None:
    endpoint.control(fault_script=[kind], hang_s=5.0, retry_after_s=3.0)
    lm = make_lm(endpoint, timeout=0.3)
    with pytest.raises(error) as caught:
        lm("hello")
    assert type(caught.value) is error
    assert is_retryable_lm_error(caught.value) is retryable
    assert caught.value.retry_after == (3.0 if kind == "429" else None)
    assert lm("hello")
    stats = endpoint.stats()
    assert (stats["total"], stats["ok"], stats["failed_by_kind"]) == (2, 1, {kind: 1})


def test_wrong_key_and_unknown_model(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(require_key="right", models=["loop"])
    with pytest.raises(dspy_errors.LMAuthError) as caught:
        make_lm(endpoint)("hello")
    assert not is_retryable_lm_error(caught.value)
    assert make_lm(endpoint, api_key="right")("hello")
    endpoint.control(require_key=None, models=["other"])
    with pytest.raises(dspy_errors.LMUnsupportedModelError) as caught:
        make_lm(endpoint)("hello")
    assert not is_retryable_lm_error(caught.value)
    assert endpoint.stats()["failed_by_kind"] == {"401": 1, "404": 1}


def test_down_and_closed_socket(endpoint: LoopbackEndpoint) -> None:
    lm = make_lm(endpoint)
    assert lm("hello")
    for outage in ({"down": True}, {"listening": False}):
        endpoint.control(**outage)
        with pytest.raises(dspy_errors.LMTransportError):
            lm("hello")
        endpoint.control(down=False, listening=True)
        assert lm("hello")
    assert endpoint.stats()["ok"] == 3


def test_outage_fails_the_calls_in_service(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(latency_s=5.0)
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(make_lm(endpoint), "hello") for _ in range(4)]
        while endpoint.stats()["in_flight"] < 4:
            time.sleep(0.01)
        endpoint.control(down=True)
        assert all(isinstance(call.exception(), dspy_errors.LMTransportError) for call in calls)
    stats = endpoint.stats()
    assert stats["failed_by_kind"] == {"down": 4}
    assert stats["in_flight"] == 0


def test_retries_meet_the_normal_odds(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(fail_rate=0.3, fail_kinds={"429": 1.0}, retry_after_s=0.0)
    lm = make_lm(endpoint, num_retries=12)
    texts = list(GOLD)[:100]
    assert len(answers(lm, "Judge it.", texts)) == 100
    stats = endpoint.stats()
    assert stats["ok"] == 100
    assert stats["failed"] == stats["total"] - 100
    assert 15 <= stats["failed"] <= 80


def test_fault_draws() -> None:
    config = LoopbackConfig(fail_rate=0.25, fail_kinds={"429": 3.0, "drop": 1.0})
    fates = [FaultPlan.fate(plan, "p") for plan in [FaultPlan(config)] for _ in range(2000)]
    assert 400 < sum(fate is not None for fate in fates) < 600
    assert fates.count("429") > 2 * fates.count("drop") > 0
    by_prompt = FaultPlan(config.updated({"fail_by": "prompt"}))
    assert all(len({by_prompt.fate(f"prompt {i}") for _ in range(3)}) == 1 for i in range(50))
    scripted = FaultPlan(LoopbackConfig(fault_script=["ok", "500"]))
    assert [scripted.fate("p") for _ in range(3)] == [None, "500", None]


def test_stats_measure_time_in_service(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(latency_s=0.05)
    answers(make_lm(endpoint), "Judge it.", list(GOLD)[:40], threads=4)
    stats = endpoint.stats()
    assert stats["max_in_flight"] == 4
    assert 40 * 0.05 <= stats["busy_s"] <= 4 * stats.window_s
    assert 0.0 < stats.utilization(4) <= 1.0
    assert abs(stats.mean_in_flight - 4 * stats.utilization(4)) < 0.01
    assert abs(sum(stats["in_flight_s"].values()) - stats.window_s) < 1e-6
    logged = endpoint.requests()
    assert len(logged) == 40
    assert logged[0]["body"]["model"] == "loop"
    prompt = sum(len(message["content"]) for message in logged[0]["body"]["messages"])
    assert abs(stats["roles"]["loop"]["prompt_tokens"] / 40 - prompt / 4) < 10


def test_book_weighs_levels_by_time() -> None:
    book = StatsBook()
    book.begin(1.0, "a")
    book.begin(2.0, "b")
    book.end(1.0, 4.0, "a", None)
    book.end(2.0, 5.0, "b", "500")
    seen = book.snapshot(9.0)
    assert seen["in_flight_s"] == {"0": 0.0, "1": 2.0, "2": 2.0}
    assert (seen["busy_s"], seen["first_at"], seen["last_at"]) == (6.0, 1.0, 5.0)
    assert seen["roles"]["b"]["failed"] == 1


def test_settings_are_checked(endpoint: LoopbackEndpoint) -> None:
    with pytest.raises(ValueError, match="unknown settings"):
        endpoint.control(latency=1.0)
    with pytest.raises(ValueError, match="unknown fault kinds"):
        LoopbackEndpoint(fail_kinds={"418": 1.0})
    with pytest.raises(ValueError, match="in_thread"):
        LoopbackEndpoint(responder=lambda messages, body: "").start()


def test_own_responder_and_salt() -> None:
    with LoopbackEndpoint(responder=lambda messages, body: f"T={body.get('temperature')}", in_thread=True) as own:
        assert make_lm(own, temperature=0.5)("hello") == ["T=0.5"]
    asked = dspy.ChatAdapter().format(classifier("Judge.").signature, [], {"text": "text 1"})
    salted = Oracle(LoopbackConfig(gold=GOLD, salt_fields=["temperature"], base_quality=0.5))
    replies = {salted(asked, {"temperature": step / 20}) for step in range(20)}
    assert len(replies) > 1


def test_command_line() -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "tests.loopback", "--port", "0", "--models", "loop"]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        assert base_url.endswith("/v1")
        with closing(urllib.request.urlopen(f"{base_url}/models", timeout=120)) as response:
            assert b'"loop"' in response.read()
    finally:
        process.terminate()
        process.wait(120)
        if process.stdout is not None:
            process.stdout.close()


def test_a_connection_is_kept_for_the_next_request(endpoint: LoopbackEndpoint) -> None:
    body = {"model": "loop", "messages": [{"role": "user", "content": "hello"}]}
    with httpx.Client() as client:
        for _ in range(3):
            client.post(f"{endpoint.base_url}/chat/completions", json=body).raise_for_status()
    assert endpoint.stats()["connections"] == 1
