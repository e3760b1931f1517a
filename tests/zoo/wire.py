"""A scripted model below DSPy: what DSPy's transports would send is kept, and answered in process.

What is compared in the zoo is what goes over the wire, so nothing of DSPy or of the studio is replaced above it.
The reply is a function of the request's messages alone. Imports nothing of ours: plain DSPy's process uses it too.
"""

import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import dspy
import httpx
from dspy._vendor.lm15.transports import (
    AsyncTransportResponse,
    StdlibAsyncTransport,
    StdlibTransport,
    TransportRequest,
    TransportResponse,
)
from dspy.clients._litellm import get_litellm

__all__ = ["Wire", "prepare", "say", "subject"]

Answers = Mapping[str, Callable[[int, str], Any]]
"""Output field -> its value as JSON, of the number that the conversation is about and of its end."""

CHAT = re.compile(r"`\[\[ ## (\w+) ## \]\]`")
JSON = re.compile(r"`(\w+)`")
XML = re.compile(r"`<(\w+)>`")
LISTED = re.compile(r"^\d+\. `(\w+)` \(", re.MULTILINE)


class Wire:
    """Stands in for the network of this process once `plug` was called; `taken()` hands out what was sent since."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._requests: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def plug(self) -> None:
        """Answer in place of the sync and the async transport, for all engines of this process."""

        def stream(transport: Any, request: TransportRequest) -> TransportResponse:
            return TransportResponse(chunks=iter([self._reply(request.body)]), release=lambda whole: None, **_head())

        async def do_stream(transport: Any, request: TransportRequest) -> AsyncTransportResponse:
            async def chunks() -> AsyncIterator[bytes]:
                yield self._reply(request.body)

            async def release(whole: bool) -> None: ...

            return AsyncTransportResponse(chunks=chunks(), release=release, **_head())

        def handle(transport: Any, request: httpx.Request) -> httpx.Response:
            return httpx.Response(
                200, content=self._reply(request.read()), headers={"content-type": "application/json"}
            )

        StdlibTransport.stream = stream
        StdlibAsyncTransport._do_stream = do_stream
        httpx.HTTPTransport.handle_request = handle  # where DSPy leaves a request to LiteLLM

    def taken(self) -> list[dict[str, Any]]:
        with self._lock:
            taken, self._requests = self._requests, []
        return taken

    def _reply(self, sent: bytes) -> bytes:
        body = json.loads(sent)
        with self._lock:
            self._requests.append(body)
        said = say(body, self._answers)
        # A character is a token here, so that usage is a function of the request as well.
        usage = {"prompt_tokens": len(json.dumps(body["messages"])), "completion_tokens": len(json.dumps(said))}
        usage["total_tokens"] = sum(usage.values())
        calls = said.get("tool_calls")
        choice = {
            "index": 0,
            "message": {"role": "assistant", **said},
            "finish_reason": "tool_calls" if calls else "stop",
        }
        reply = {"id": "r", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice]}
        return json.dumps({**reply, "usage": usage}).encode()


def prepare() -> None:
    """What every child would do again: no caches of DSPy's, its list of models read and all of it imported once."""
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=False)
    Wire({}).plug()
    lm = dspy.LM("openai/gpt-4o-mini", api_key="x")
    with dspy.context(lm=lm, adapter=dspy.JSONAdapter()):
        dspy.Predict("text -> answer")(text="item 1")
    get_litellm(feature="what the native engine leaves to it")
    httpx.Client().close()


def _head() -> dict[str, Any]:
    return {
        "status": 200,
        "reason": "OK",
        "headers": [("content-type", "application/json")],
        "http_version": "HTTP/1.1",
    }


def say(body: Mapping[str, Any], answers: Answers) -> dict[str, Any]:
    """The assistant's message: values for the fields asked for, in the format that the request asks for."""
    messages = body["messages"]
    last = _text(next(one for one in reversed(messages) if one["role"] == "user"))
    number, said = subject(messages)

    def value(field: str) -> Any:
        return answers[field](number, said) if field in answers else f"{field} of item {number}"

    if body.get("tools") and "tool_calls" in answers:
        calls = [
            {
                "id": call["id"],
                "type": "function",
                "function": {"name": call["name"], "arguments": json.dumps(call["args"])},
            }
            for call in answers["tool_calls"](number, said)["tool_calls"]
        ]
        return {"content": None, "tool_calls": calls}
    _, asks, demand = last.rpartition("Respond with ")
    if asks and demand.startswith("a JSON object"):
        return {"content": json.dumps({name: value(name) for name in JSON.findall(demand)}, indent=1)}
    if asks and "wrapped in XML tags" in demand:
        return {"content": "\n".join(_xml(name, value(name)) for name in XML.findall(demand))}
    if asks and (fields := [name for name in CHAT.findall(demand) if name != "completed"]):
        sections = [f"[[ ## {name} ## ]]\n{_plain(value(name))}" for name in fields]
        return {"content": "\n\n".join([*sections, "[[ ## completed ## ]]"])}
    system = _text(messages[0])
    outputs = system.partition("Your outputs must contain:")[2]
    return {
        "content": "\n".join(f"{name}: {_plain(value(name))} (item {number})" for name in LISTED.findall(outputs))
    }


def subject(messages: Sequence[Mapping[str, Any]]) -> tuple[int, str]:
    """The number that the latest message with one is about, and the text from there on."""
    said = ""
    for message in reversed(messages):
        said = _text(message) + said
        if found := re.search(r"item (\d+)", said):
            return int(found.group(1)), said
    return 0, said


def _text(message: Mapping[str, Any]) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or ())


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _xml(tag: str, value: Any) -> str:
    if isinstance(value, dict):
        inner = "".join(_xml(name, one) for name, one in value.items())
    elif isinstance(value, list):
        inner = "".join(_xml("item", one) for one in value)
    else:
        inner = _plain(value).replace("&", "&amp;").replace("<", "&lt;")
    return f"<{tag}>{inner}</{tag}>"
