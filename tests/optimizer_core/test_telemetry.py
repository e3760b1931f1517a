"""Spans of model calls and program runs, read from an exporter in memory."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import dspy
import pytest
from dspy import lm15
from dspy.utils.exceptions import LMRateLimitError

from mipro_studio.optimizer_core import telemetry
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.evaluation.program_run import run_once
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from tests.optimizer_core.builders import ROOT, make_examples
from tests.optimizer_core.scripted import chat, scripted_model
from tests.programs import desk

pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry is not installed (requirements-otel.txt)")
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry.switch_on(provider)
    yield exporter
    telemetry.switch_off()


def answer(request: lm15.Request) -> str:
    return chat(queue="billing") if "queue" in str(request.messages[-1]) else chat(tone="calm")


def scored(reply: Any, **more: Any) -> Any:
    row = make_examples(1, 0)[0]
    return run_once(desk.Desk(), row, scripted_model(reply, **more), Scorer(desk.metric, "desk metric"), "i0d0-i0d0")


def test_a_program_run_holds_its_calls_and_its_score(spans: InMemorySpanExporter) -> None:
    cell = scored(answer)
    *calls, run = spans.get_finished_spans()
    assert [call.name for call in calls] == ["chat scripted", "chat scripted"]
    assert {call.parent and call.parent.span_id for call in calls} == {run.context.span_id}
    assert {call.kind for call in calls} == {SpanKind.CLIENT}
    facts = dict(calls[0].attributes or {})
    assert facts["gen_ai.operation.name"] == "chat"
    assert (facts["gen_ai.provider.name"], facts["gen_ai.request.model"]) == ("openai", "scripted")
    assert (facts["gen_ai.usage.input_tokens"], facts["gen_ai.usage.output_tokens"]) == (10, 5)
    assert facts["mipro_studio.role"] == "task"
    assert run.name == "invoke_workflow Desk"
    assert (run.attributes or {})["mipro_studio.candidate"] == "i0d0-i0d0"
    (event,) = run.events
    assert event.name == "gen_ai.evaluation.result"
    assert dict(event.attributes or {}) == {
        "gen_ai.evaluation.name": "desk metric",
        "gen_ai.evaluation.score.value": cell.score,
    }


def test_a_failed_attempt_is_a_span_of_its_own_with_its_class(
    spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mipro_studio.optimizer_core.models.attempts.FIRST_BACKOFF_S", 0.001)
    failures = [LMRateLimitError("slow down, sk-secret-key")]

    def reply(request: lm15.Request) -> str:
        if failures:
            raise failures.pop()
        return answer(request)

    assert scored(reply, retries=2).error is None
    first, *others = [span for span in spans.get_finished_spans() if span.name.startswith("chat")]
    assert first.status.status_code is StatusCode.ERROR
    assert (first.attributes or {})["error.type"] == "rate_limit"
    assert [span.status.status_code for span in others] == [StatusCode.UNSET] * 2


def test_a_program_run_without_a_score_is_an_error_and_no_evaluation(spans: InMemorySpanExporter) -> None:
    scored(lambda request: "no fields here")
    run = spans.get_finished_spans()[-1]
    assert (run.attributes or {})["error.type"] == "parse"
    assert not run.events


def test_no_text_of_prompts_replies_rows_or_errors_is_in_a_span(spans: InMemorySpanExporter) -> None:
    row = make_examples(1, 0)[0]
    scored(answer)
    scored(lambda request: "a reply that says sk-secret-key")
    told = " ".join(span.to_json() for span in spans.get_finished_spans())
    for text in (row.inputs["message"], "Find the queue", "billing", "sk-secret-key"):
        assert text not in told


def test_off_by_default_nothing_is_kept_or_loaded() -> None:
    code = (
        "import sys, mipro_studio.worker\n"
        "from mipro_studio.optimizer_core import telemetry\n"
        "with telemetry.span('x') as told: told.note(a=1); told.failed('b'); told.event('c')\n"
        "telemetry.switch_on_if_asked()\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_asked_for_without_opentelemetry_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(telemetry.VARIABLE, "1")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(BadInput, match=r"requirements-otel\.txt"):
        telemetry.switch_on_if_asked(run="x")


def test_the_program_still_sees_its_own_settings(spans: InMemorySpanExporter) -> None:
    assert dspy.settings.lm is None
    assert scored(answer).prediction == {"queue": "billing", "tone": "calm"}
