"""Running the endpoint from Python, in its own process (the default) or in a thread."""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.loopback.config import LoopbackConfig
from tests.loopback.server import LoopbackServer

_ROOT = Path(__file__).resolve().parents[2]
_START_TIMEOUT_S = 20.0


class LoopbackStats(dict[str, Any]):
    """The endpoint's counts with a few derived numbers."""

    @property
    def window_s(self) -> float:
        """Seconds from the first arrival to the last departure."""
        if self["first_at"] is None or self["last_at"] is None:
            return 0.0
        return float(self["last_at"] - self["first_at"])

    def utilization(self, threads: int) -> float:
        """Share of the threads' time the endpoint was serving them, in the window of the calls."""
        return float(self["busy_s"]) / (threads * self.window_s) if self.window_s > 0 else 0.0

    @property
    def calls_per_s(self) -> float:
        """Answered calls per second of the window."""
        return float(self["ok"]) / self.window_s if self.window_s > 0 else 0.0

    @property
    def mean_in_flight(self) -> float:
        """Time-weighted mean number of calls in service."""
        levels = {int(level): seconds for level, seconds in self["in_flight_s"].items()}
        whole = sum(levels.values())
        return sum(level * seconds for level, seconds in levels.items()) / whole if whole else 0.0


class LoopbackEndpoint:
    """`with LoopbackEndpoint(latency_s=0.1, responder="oracle", gold=...) as ep: ... ep.base_url`.

    It runs in a process of its own, so that a benchmark does not share its interpreter lock;
    `in_thread=True` saves the start of the process and takes any callable as responder.
    """

    def __init__(self, *, in_thread: bool = False, port: int = 0, **settings: Any) -> None:
        self.config = LoopbackConfig(**settings)
        self._in_thread = in_thread
        self._port = port
        self._process: subprocess.Popen[str] | None = None
        self._stop: Callable[[], None] | None = None
        self.base_url = ""
        self.control_port = 0

    def __enter__(self) -> LoopbackEndpoint:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> LoopbackEndpoint:
        """Start it and wait until it listens."""
        port, self.control_port = self._start_thread() if self._in_thread else self._start_process()
        self.base_url = f"http://127.0.0.1:{port}/v1"
        return self

    def close(self) -> None:
        """Stop it."""
        if self._stop is not None:
            self._stop()
            self._stop = None
        if self._process is not None:
            process, self._process = self._process, None
            # The child ends when its standard input does, so it cannot outlive a killed parent either.
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def stats(self) -> LoopbackStats:
        """Counts since the start or the last reset."""
        return LoopbackStats(self._ask("GET", "/stats"))

    def requests(self) -> list[dict[str, Any]]:
        """The log of ended calls; empty without `keep_requests=True`."""
        return list(self._ask("GET", "/requests"))

    def reset(self) -> None:
        """Set the counts to zero and restart the draws of faults (a fault script is not played again)."""
        self._ask("POST", "/reset")

    def control(self, **changes: Any) -> None:
        """Change settings of the running endpoint."""
        self.config = self.config.updated(changes)
        data = self.config.to_json()
        self._ask("POST", "/control", {name: data[name] for name in changes})

    @property
    def pid(self) -> int | None:
        """Process id, or None when it runs in a thread."""
        return self._process.pid if self._process is not None else None

    def _ask(self, method: str, path: str, payload: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.control_port, timeout=10)
        try:
            connection.request(method, path, json.dumps(payload) if payload is not None else None)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(answer["error"]["message"])
        return answer

    def _start_process(self) -> tuple[int, int]:
        command = [sys.executable, "-m", "tests.loopback", "--stdin-config", "--port", str(self._port)]
        self._process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(self.config.to_json()) + "\n")
        self._process.stdin.flush()
        urls = [self._process.stdout.readline().strip() for _ in range(2)]
        if not all(urls):
            self.close()
            raise RuntimeError("the loopback endpoint did not start; its error output says why")
        ports = [int(url.removesuffix("/v1").rpartition(":")[2]) for url in urls]
        return ports[0], ports[1]

    def _start_thread(self) -> tuple[int, int]:
        ready: Future[tuple[int, int]] = Future()
        loop = asyncio.new_event_loop()

        async def main() -> None:
            server = LoopbackServer(self.config)
            await server.start(self._port)
            ended = asyncio.Event()

            def stop() -> None:
                loop.call_soon_threadsafe(ended.set)
                thread.join(5)

            self._stop = stop
            ready.set_result((server.port, server.control_port))
            await ended.wait()
            server.stop()

        def run() -> None:
            try:
                loop.run_until_complete(main())
            except Exception as exc:
                if ready.done():
                    raise
                ready.set_exception(exc)
            finally:
                loop.close()

        thread = threading.Thread(target=run, name="loopback", daemon=True)
        thread.start()
        return ready.result(_START_TIMEOUT_S)
