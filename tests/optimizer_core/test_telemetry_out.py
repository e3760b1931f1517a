"""Spans as Langfuse and W&B Weave take them in: OTLP over HTTP, with the headers that each asks for."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from dspy import lm15

from mipro_studio.optimizer_core import telemetry
from mipro_studio.optimizer_core.evaluation.program_run import run_once
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from tests.optimizer_core.builders import make_examples
from tests.optimizer_core.scripted import chat, scripted_model
from tests.programs import desk

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="not installed (requirements-otel.txt)")
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Takes)
        self.taken: list[tuple[str, dict[str, str], bytes]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Takes(BaseHTTPRequestHandler):
    server: Collector

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    yield server
    telemetry.switch_off()
    server.shutdown()


# What each asks for in its pages on OpenTelemetry: the path below the host, and the header that holds the key.
LANGFUSE = ("/api/public/otel", "Authorization=Basic%20cGs6c2s=", "authorization", "Basic cGs6c2s=")
WEAVE = ("/otel", "wandb-api-key=0123,project_id=team/desk", "wandb-api-key", "0123")


@pytest.mark.parametrize(("below", "headers", "name", "value"), [LANGFUSE, WEAVE])
def test_spans_arrive_by_the_variables_of_opentelemetry_alone(
    below: str, headers: str, name: str, value: str, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_address[1]}{below}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", headers)
    monkeypatch.setenv(telemetry.VARIABLE, "1")

    def answer(request: lm15.Request) -> str:
        return chat(queue="billing") if "queue" in str(request.messages[-1]) else chat(tone="calm")

    telemetry.switch_on_if_asked(run="a-run")
    row = make_examples(1, 0)[0]
    run_once(desk.Desk(), row, scripted_model(answer), Scorer(desk.metric, "desk metric"), "i0d0-i0d0")
    telemetry.flush()
    ((path, given, body),) = collector.taken
    assert path == f"{below}/v1/traces" and given[name] == value
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    spans = [span for scope in resource.scope_spans for span in scope.spans]
    assert [span.name for span in spans] == ["chat scripted", "chat scripted", "invoke_workflow Desk"]
    assert {one.key: one.value.string_value for one in resource.resource.attributes}["mipro_studio.run"] == "a-run"
    assert str(row.inputs["message"]).encode() not in body
