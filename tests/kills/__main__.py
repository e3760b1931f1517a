"""The whole table: python -m tests.kills [--only embedded together fireworks openai] [--moment WORDS]

Some twenty seconds of a processor for ten kills at a provider, a minute for ten on this machine.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.kills.trying import MOMENTS, Tried, embedded_kills, provider_kills
from tests.optimizer_core.finetuning.providers import ON_LOOPBACK


def main(arguments: list[str] | None = None) -> int:
    """Print a line a moment. Exit code 1 where anything was not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills")
    parser.add_argument("--only", nargs="*", default=["embedded", *ON_LOOPBACK])
    parser.add_argument("--moment", default="", help="Only moments with these words in their name.")
    parser.add_argument("--requests", type=int, nargs="*", default=[], help="Only these of a provider's, from 1.")
    asked = parser.parse_args(arguments)
    points = broken = 0
    for trainer in asked.only:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            for tried in _kills(trainer, Path(folder), asked):
                points, broken = points + 1, broken + bool(tried.broken)
                print(f"| {trainer} | {tried.moment} | {'; '.join(tried.broken) or 'the same end'} |", flush=True)
        print(f"{trainer}: {time.monotonic() - began:.0f} s", flush=True)
    print(f"{points} kills, {broken} not as promised")
    return int(broken > 0)


def _kills(trainer: str, folder: Path, asked: argparse.Namespace) -> Iterator[Tried]:
    if trainer == "embedded":
        return embedded_kills(folder, [moment for moment in MOMENTS if asked.moment in moment])
    return provider_kills(folder, trainer, asked.requests)


if __name__ == "__main__":
    sys.exit(main())
