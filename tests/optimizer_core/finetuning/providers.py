"""The providers of finetuning on loopback: their routes, their answers, and faults on demand."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

__all__ = ["KEY", "ON_LOOPBACK", "Provider"]

KEY = "a-key-for-loopback"


class Provider:
    """What the provider knows.

    Attributes:
        faults: Of the next requests: a status, "lost" (done, never answered) or None.
        answered: Requests so far.
        watch: Told of every request, its number from 1 and whether it is done already: once before, once after. Says
            whether whoever asked is gone.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.submitted = 0
        self.faults: list[int | str | None] = []
        self.state = "running"
        self.url = ""
        self.answered = 0
        self.watch: Callable[[int, bool], bool] | None = None

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        raise NotImplementedError

    def is_gone(self, done: bool) -> bool:
        return self.watch is not None and self.watch(self.answered, done)


class _Together(Provider):
    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        parts = path.strip("/").split("/")
        match method, parts:
            case "GET", ["files"]:
                return 200, {"data": [{"id": f"file-{name}", "filename": name} for name in self.files]}
            case "POST", ["files", "upload"]:
                self.files[body["name"]] = body["content"]
                return 200, {"id": f"file-{body['name']}"}
            case "GET", ["fine-tunes"]:
                return 200, {"data": [self._told(one) for one in self.jobs.values()]}
            case "POST", ["fine-tunes"]:
                if body["training_file"].removeprefix("file-") not in self.files:
                    return 400, {"error": {"message": "no such training file"}}
                self.submitted += 1
                name = f"ft-{self.submitted}"
                self.jobs[name] = {"id": name, "suffix": body["suffix"], "request": body}
                return 200, self._told(self.jobs[name])
            case "GET", ["fine-tunes", name] if name in self.jobs:
                return 200, self._told(self.jobs[name])
            case "POST", ["fine-tunes", name, "cancel"] if name in self.jobs:
                self.jobs[name]["status"] = "cancelled"
                return 200, {}
        return 404, {"error": {"message": "not found"}}

    def _told(self, job: dict[str, Any]) -> dict[str, Any]:
        told = {"status": self.state, "steps_completed": 3, "total_steps": 9, "total_price": 1_500_000_000, **job}
        if told["status"] == "completed":
            told["output_name"] = f"me/model-{job['suffix']}"
        if told["status"] == "error":
            told["events"] = [{"message": "started"}, {"message": "the loss is not a number"}]
        return told


class _Fireworks(Provider):
    STATES = {"running": "RUNNING", "completed": "COMPLETED", "error": "FAILED", "cancelled": "CANCELLED"}

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        parts = path.strip("/").split("/")[2:]
        match method, parts:
            case "POST", ["datasets"]:
                self.files[body["datasetId"]] = b""
                return 200, {}
            case "POST", ["datasets", upload] if upload.endswith(":upload"):
                self.files[upload.removesuffix(":upload")] = body["content"]
                return 200, {}
            case "GET", ["datasets", name] if name in self.files:
                return 200, {"state": "READY" if self.files[name] else "UPLOADING"}
            case "POST", ["supervisedFineTuningJobs"]:
                name = body["query"]["supervisedFineTuningJobId"]
                if name in self.jobs:
                    return 409, {"error": {"message": "already exists"}}
                if not self.files.get(body["dataset"].split("/")[-1]):
                    return 400, {"error": {"message": "the data set is empty"}}
                self.submitted += 1
                self.jobs[name] = {"request": body, "outputModel": body["outputModel"]}
                return 200, self._told(name)
            case "GET", ["supervisedFineTuningJobs", name] if name in self.jobs:
                return 200, self._told(name)
            case "POST", ["supervisedFineTuningJobs", name] if name.endswith(":cancel"):
                self.jobs[name.removesuffix(":cancel")]["status"] = "cancelled"
                return 200, {}
        return 404, {"error": {"message": "not found"}}

    def _told(self, name: str) -> dict[str, Any]:
        job = self.jobs[name]
        state = self.STATES[job.get("status", self.state)]
        told: dict[str, Any] = {"state": f"JOB_STATE_{state}", "jobProgress": {"percent": 33}}
        if state == "FAILED":
            told["status"] = {"code": 13, "message": "the loss is not a number"}
        return told


class _OpenAI(Provider):
    """Lists in pages of one, however many are asked for, as it may."""

    STATES = {"completed": "succeeded", "error": "failed"}

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        parts = path.strip("/").split("/")
        match method, parts:
            case "GET", ["files"]:
                known = [{"id": f"file-{name}", "filename": name, "status": "processed"} for name in self.files]
                return 200, self._page(known, body["query"])
            case "POST", ["files"]:
                self.files[body["name"]] = body["content"]
                return 200, {"id": f"file-{body['name']}"}
            case "GET", ["fine_tuning", "jobs"]:
                wanted = body["query"].get("metadata[studio_job]")
                jobs = [self._told(one) for one in self.jobs.values()]
                return 200, self._page(
                    [one for one in jobs if one["metadata"]["studio_job"] == wanted], body["query"]
                )
            case "POST", ["fine_tuning", "jobs"]:
                if body["training_file"].removeprefix("file-") not in self.files:
                    return 400, {"error": {"message": "no such training file", "code": "invalid"}}
                assert body["method"]["type"] == "supervised" and len(body["suffix"]) <= 18
                self.submitted += 1
                name = f"ftjob-{self.submitted}"
                self.jobs[name] = {"id": name, "metadata": body["metadata"], "request": body}
                return 200, self._told(self.jobs[name])
            case "GET", ["fine_tuning", "jobs", name] if name in self.jobs:
                return 200, self._told(self.jobs[name])
            case "POST", ["fine_tuning", "jobs", name, "cancel"] if name in self.jobs:
                self.jobs[name]["status"] = "cancelled"
                return 200, self._told(self.jobs[name])
        return 404, {"error": {"message": "not found"}}

    @staticmethod
    def _page(found: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
        names = [one["id"] for one in found]
        start = names.index(query["after"]) + 1 if "after" in query else 0
        return {"object": "list", "data": found[start : start + 1], "has_more": start + 1 < len(found)}

    def _told(self, job: dict[str, Any]) -> dict[str, Any]:
        told = {"object": "fine_tuning.job", "fine_tuned_model": None, "error": None, "trained_tokens": None}
        told |= {"status": self.STATES.get(self.state, self.state), **job}
        if told["status"] == "succeeded":
            told["fine_tuned_model"] = f"ft:{job['request']['model']}:me:{job['metadata']['studio_job']}"
        if told["status"] == "failed":
            told["error"] = {"code": "exceeded", "message": "the loss is not a number", "param": None}
        return told


@contextmanager
def _served(provider: Provider) -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._do("GET")

        def do_POST(self) -> None:
            self._do("POST")

        def _do(self, method: str) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = provider.faults.pop(0) if provider.faults else None
            if self.headers.get("Authorization") != f"Bearer {KEY}":
                return self._send(401, {"error": {"message": "wrong key"}})
            if isinstance(fault, int):
                return self._send(fault, {"error": {"message": "a fault"}})
            path, _, query = self.path.partition("?")
            provider.answered += 1
            if provider.is_gone(False):
                return self.connection.close()
            status, told = provider.answer(method, path, self._body(raw, query))
            if provider.is_gone(True) or fault == "lost":
                return self.connection.close()
            return self._send(status, told)

        def _body(self, raw: bytes, query: str) -> Any:
            if "multipart" in self.headers.get("Content-Type", ""):
                name = raw.split(b'filename="')[1].split(b'"')[0].decode()
                content = raw.split(b'filename="')[1].split(b"\r\n\r\n", 1)[1].split(b"\r\n--")[0]
                return {"name": name, "content": content}
            body = json.loads(raw) if raw else {}
            return {**body, "query": dict(parse_qsl(query))}

        def _send(self, status: int, told: Any) -> None:
            data = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    provider.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()


ON_LOOPBACK: Mapping[str, Callable[[], AbstractContextManager[Provider]]] = {
    "together": lambda: _served(_Together()),
    "fireworks": lambda: _served(_Fireworks()),
    "openai": lambda: _served(_OpenAI()),
}
"""A server for each provider of `finetuning.trainers`."""
