"""`python -m tests.loopback --port 0 --latency 0.1`: prints the base URL, then the control URL."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import threading
from pathlib import Path
from typing import Any

from tests.loopback.config import LoopbackConfig
from tests.loopback.server import LoopbackServer


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.loopback", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--latency", type=float, dest="latency_s")
    parser.add_argument("--jitter", type=float, help="share of the latency, decided by the prompt")
    parser.add_argument("--responder", help='"echo", "oracle" or "module:function"')
    parser.add_argument("--gold", type=Path, help="JSON file: input text -> {field: gold}")
    parser.add_argument("--fail-rate", type=float, dest="fail_rate")
    parser.add_argument("--fail-kinds", dest="fail_kinds", help="for instance 429=2,500=1,drop=1,hang=0")
    parser.add_argument("--fail-by", choices=["counter", "prompt"], dest="fail_by")
    parser.add_argument("--retry-after", type=float, dest="retry_after_s")
    parser.add_argument("--hang", type=float, dest="hang_s")
    parser.add_argument("--require-key", dest="require_key")
    parser.add_argument("--models", nargs="*")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--keep-requests", action="store_true", default=None, dest="keep_requests")
    parser.add_argument(
        "--stdin-config",
        action="store_true",
        help="read all settings as one line of JSON from standard input, and end when that is closed",
    )
    return parser


def _config(options: argparse.Namespace) -> LoopbackConfig:
    if options.stdin_config:
        return LoopbackConfig(**json.loads(sys.stdin.readline()))
    own = {"port", "control_port", "stdin_config"}
    settings: dict[str, Any] = {
        name: value for name, value in vars(options).items() if value is not None and name not in own
    }
    if "gold" in settings:
        settings["gold"] = json.loads(settings["gold"].read_text(encoding="utf-8"))
    if "fail_kinds" in settings:
        pairs = (item.partition("=") for item in settings["fail_kinds"].split(","))
        settings["fail_kinds"] = {kind: float(weight or 1) for kind, _, weight in pairs}
    return LoopbackConfig(**settings)


async def _serve(options: argparse.Namespace) -> None:
    server = LoopbackServer(_config(options))
    await server.start(options.port, options.control_port)
    print(f"http://127.0.0.1:{server.port}/v1", flush=True)
    print(f"http://127.0.0.1:{server.control_port}", flush=True)
    ended = asyncio.Event()
    if options.stdin_config:
        loop = asyncio.get_running_loop()

        def watch() -> None:
            sys.stdin.read()
            loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=watch, daemon=True).start()
    # Modules loaded at the start are never garbage; the collector need not walk them under load.
    gc.freeze()
    await ended.wait()
    server.stop()


def main() -> None:
    """Serve until interrupted."""
    options = _parser().parse_args()
    try:
        asyncio.run(_serve(options))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
