"""OpenTelemetry spans of model calls and program runs, by the GenAI conventions' names. Off unless asked for.

A span says which model was asked, in which role, how many tokens that took, how it ended, and what a program run
scored; it holds no text of a prompt, a reply or a row. `OTEL_EXPORTER_OTLP_ENDPOINT` and the other variables of
OpenTelemetry say where spans go; a provider that the process has set up already is used as it is.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mipro_studio.optimizer_core.errors import BadInput

__all__ = ["VARIABLE", "Told", "flush", "span", "switch_off", "switch_on", "switch_on_if_asked"]

VARIABLE = "MIPRO_STUDIO_OTEL"
"""Environment variable; 1 switches spans on in workers and in `optimize`."""

_on: dict[str, Any] = {}
"""The tracer and its provider, while spans are on."""


class Told:
    """What is told about a span that is under way; nothing is kept where spans are off."""

    def __init__(self, kept: Any = None) -> None:
        self._kept = kept

    def note(self, **attributes: Any) -> None:
        """Attributes, with `__` for the dots of their names; None is left out."""
        if self._kept is not None:
            self._kept.set_attributes(_dotted(attributes))

    def failed(self, kind: str) -> None:
        """It ended with an error of this class. Messages are not kept: they may quote a prompt."""
        if self._kept is not None:
            from opentelemetry.trace import Status, StatusCode

            self._kept.set_attributes({"error.type": kind})
            self._kept.set_status(Status(StatusCode.ERROR))

    def event(self, name: str, **attributes: Any) -> None:
        if self._kept is not None:
            self._kept.add_event(name, _dotted(attributes))


_NOTHING = Told()


@contextmanager
def span(name: str, *, outward: bool = False, **attributes: Any) -> Iterator[Told]:
    """A span around what is inside.

    Args:
        outward: It asks another system.
        attributes: As for `Told.note`.
    """
    if not _on:
        yield _NOTHING
        return
    from opentelemetry.trace import SpanKind

    kind = SpanKind.CLIENT if outward else SpanKind.INTERNAL
    options: dict[str, Any] = {"record_exception": False, "set_status_on_exception": False}
    with _on["tracer"].start_as_current_span(name, kind=kind, attributes=_dotted(attributes), **options) as kept:
        yield Told(kept)


def switch_on_if_asked(**about: str) -> None:
    """Switch spans on where the environment asks for it; `about` describes this process, as run="...".

    Raises:
        BadInput: they are asked for and OpenTelemetry is not installed.
    """
    if os.environ.get(VARIABLE) == "1":
        switch_on(None, **about)


def switch_on(provider: Any = None, **about: str) -> None:
    """Keep spans from now on.

    Args:
        provider: Where they go; None = the process's own, else one by OpenTelemetry's variables.

    Raises:
        BadInput: OpenTelemetry is not installed.
    """
    try:
        provider = provider or _provider(about)
    except ImportError as error:
        raise BadInput(
            f"{VARIABLE}=1 asks for OpenTelemetry, which is not installed: {error}.",
            "python -m pip install -r requirements-otel.txt, or 'mipro-studio[otel]'.",
        ) from error
    _on.update(provider=provider, tracer=provider.get_tracer("mipro_studio"))


def switch_off() -> None:
    """Keep no more spans."""
    _on.clear()


def flush() -> None:
    """Hand over what is waiting, before the process ends."""
    if (provider := _on.get("provider")) is not None and hasattr(provider, "force_flush"):
        provider.force_flush()


def _provider(about: Mapping[str, str]) -> Any:
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    known = trace.get_tracer_provider()
    if isinstance(known, TracerProvider):
        return known
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    facts = {f"mipro_studio.{name}": value for name, value in about.items()}
    made = TracerProvider(resource=Resource.create({"service.name": "mipro-studio", **facts}))
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


def _dotted(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("__", "."): value for name, value in attributes.items() if value is not None}
