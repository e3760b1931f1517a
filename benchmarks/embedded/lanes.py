"""The embedded model's server laid out in three ways: `python -m benchmarks.embedded.lanes`, about five minutes.

Each layout is started in a process of its own and given the same work by four clients: short answers behind eight
demos, and four texts of 100 tokens; first with the machine to itself, then beside one process that counts for ever.
Prints a table. Only layouts measured in one call can be compared.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Annotated, Any, Final

import httpx
import typer
from rich.console import Console
from rich.table import Table

from mipro_studio.optimizer_core.models.embedded import weights_path
from mipro_studio.optimizer_core.models.embedded.repack import fast_copy
from mipro_studio.optimizer_core.models.embedded.runtime import ServerLayout
from mipro_studio.optimizer_core.seeds import generator
from mipro_studio.sample_programs import CATALOG

CLIENTS: Final = 4
TEXTS: Final = 4
TEXT_TOKENS: Final = 100
DEMOS: Final = 8
SETS: Final = 3

Messages = list[dict[str, str]]
Call = tuple[int, dict[str, Any]]


def layouts() -> dict[str, tuple[int, int, bool]]:
    """Name -> lanes, threads of each, whether a waiting thread spins."""
    lanes = ServerLayout.of_this_machine().lanes
    return {
        f"one lane, {lanes} threads that sleep": (1, lanes, False),
        f"one lane, {lanes} threads that spin": (1, lanes, True),
        f"{lanes} lanes of one thread": (lanes, 1, False),
    }


def serve(lanes: int, threads: int, spins: bool) -> None:
    """Start the lanes, print their addresses as JSON, and stay until standard input ends."""
    import xllamacpp

    slots = 8 // lanes
    servers = []
    for _ in range(lanes):
        params = xllamacpp.CommonParams()
        params.model.path = str(fast_copy(weights_path()))
        params.n_parallel, params.n_ctx = slots, slots * ServerLayout(lanes, slots).context
        params.cont_batching = params.cache_prompt = True
        params.cache_ram_mib = 0
        for cpu in (params.cpuparams, params.cpuparams_batch):
            cpu.n_threads, cpu.poll = threads, 50 if spins else 0
        params.n_threads_http, params.port, params.verbosity = 64, 0, 0
        params.ui = params.warmup = False
        servers.append(xllamacpp.Server(params))
    print(json.dumps([str(server.listening_address) for server in servers]), flush=True)
    sys.stdin.read()


@contextmanager
def served(lanes: int, threads: int, spins: bool) -> Iterator[list[httpx.Client]]:
    code = f"from mipro_studio.benchmarks.embedded.lanes import serve; serve({lanes}, {threads}, {spins})"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        addresses = next(line for line in process.stdout if line.startswith("["))
        try:
            yield [httpx.Client(base_url=address, timeout=600) for address in json.loads(addresses)]
        finally:
            process.kill()


def answers(per_set: int, name: str) -> list[Call]:
    """(slot, request), a slot for each predictor and demo set; other demos by another name, so nothing is cached."""
    rows = CATALOG["triage"].rows()
    rng = generator(0, "lanes", name)
    calls = []
    for number in range(SETS):
        demos = rng.sample(rows[per_set:], DEMOS)
        for row in rows[:per_set]:
            for place, field in enumerate(("queue", "tone")):
                calls.append((2 * number + place, _request(_messages(field, demos, row["message"]), 4)))
    return calls


def texts(name: str) -> list[Call]:
    asked = [f"Write a detailed instruction number {number} for a {name} support desk." for number in range(TEXTS)]
    return [(slot, _request([{"role": "user", "content": text}], TEXT_TOKENS)) for slot, text in enumerate(asked)]


def _request(messages: Messages, tokens: int) -> dict[str, Any]:
    return {"messages": messages, "max_tokens": tokens, "temperature": 0, "cache_prompt": True}


def _messages(field: str, demos: Sequence[Any], message: str) -> Messages:
    said = [{"role": "system", "content": f"Decide which {field} the message has. Answer with the {field} only."}]
    for row in demos:
        said.append({"role": "user", "content": f"message: {row['message']}"})
        said.append({"role": "assistant", "content": row[field]})
    return [*said, {"role": "user", "content": f"message: {message}"}]


def timed(clients: Sequence[httpx.Client], calls: Sequence[Call]) -> float:
    """Seconds for all calls, four at a time."""

    def ask(call: Call) -> None:
        slot, request = call
        lane = slot % len(clients)
        request = {**request, "id_slot": slot // len(clients)}
        clients[lane].post("/v1/chat/completions", json=request).raise_for_status()

    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(ask, calls))
    return time.perf_counter() - began


def count_for_ever() -> None:
    while True:
        pass


@contextmanager
def busy_neighbour() -> Iterator[None]:
    process = multiprocessing.get_context("spawn").Process(target=count_for_ever, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()


def measure(layout: tuple[int, int, bool], per_set: int) -> list[str]:
    """Answers a second and seconds for the texts, quiet and beside a neighbour."""
    with served(*layout) as clients:
        timed(clients, answers(1, "warm"))  # the weights are read
        quiet = _figures(clients, per_set, "quiet")
        with busy_neighbour():
            return quiet + _figures(clients, per_set, "beside")


def _figures(clients: Sequence[httpx.Client], per_set: int, name: str) -> list[str]:
    calls = answers(per_set, name)
    return [f"{len(calls) / timed(clients, calls):.1f}", f"{timed(clients, texts(name)):.1f}"]


def main(
    rows: Annotated[int, typer.Option(help="Answers for each of six prompts, in each of the two states.")] = 12,
) -> None:
    table = Table(title=f"{CLIENTS} clients, {DEMOS} demos a prompt")
    for column in ("", "answers/s, quiet", "4 texts, quiet, s", "answers/s, beside", "4 texts, beside, s"):
        table.add_column(column, no_wrap=True)
    for name, layout in layouts().items():
        table.add_row(name, *measure(layout, rows))
    Console(width=140).print(table)


if __name__ == "__main__":
    typer.run(main)
