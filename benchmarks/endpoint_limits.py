"""What runs make of the limits of endpoints, on a simulated clock: `python -m benchmarks.endpoint_limits`.

For each endpoint: the share of what it would take that was used, and the share of calls that it refused, from the
first call on, so that the time in which a limit is found is part of it. Where there is no limit, what one run without
any would have made is 100 %. The first group is what the constants of `models/sharing` were chosen on, the second was
looked at when they were.
"""

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from mipro_studio.optimizer_core.models.sharing.endpoint_limit import EndpointLimit
from tests.optimizer_core.models.simulated_endpoints import (
    Bucket,
    Endpoint,
    Flaky,
    Open,
    Places,
    Seen,
    Window,
    constant,
    exponential,
    simulated,
    slow_twentieth,
)

__all__ = ["main"]

FAST, SPREAD = exponential(0.1), slow_twentieth(0.07)


@dataclass(frozen=True)
class Case:
    """Runs on an endpoint.

    Attributes:
        takes: Calls a second; None = as many as are made.
    """

    name: str
    endpoint: Callable[[], Endpoint]
    runs: int
    threads: int
    seconds: float
    takes: float | None = None

    def seen(self, finds: bool, seed: int) -> Seen:
        limits = [EndpointLimit(self.threads, finds) for _ in range(self.runs)]
        return simulated(self.endpoint(), limits, self.threads, self.seconds, seed=seed)


def _bucket(rate: float, burst: float = 10.0) -> Bucket:
    return Bucket(lambda now: rate, burst, FAST)


CHOSEN_ON = (
    Case("600 a minute, four runs", lambda: _bucket(10.0), 4, 16, 360.0, 10.0),
    Case("the same, a burst of 60", lambda: _bucket(10.0, 60.0), 4, 16, 360.0, 10.0),
    Case("the same, silent", lambda: Bucket(lambda now: 10.0, 10.0, FAST, lambda wait_s: None), 4, 16, 360.0, 10.0),
    Case("600 a minute, one run", lambda: _bucket(10.0), 1, 16, 360.0, 10.0),
    Case("30 a minute, one run", lambda: _bucket(0.5), 1, 16, 1200.0, 0.5),
    Case(
        "1200, then 600 a minute",
        lambda: Bucket(lambda t: 20.0 if t < 180.0 else 10.0, 10.0, FAST),
        4,
        16,
        360.0,
        15.0,
    ),
    Case(
        "600, then 1200 a minute",
        lambda: Bucket(lambda t: 10.0 if t < 180.0 else 20.0, 10.0, FAST),
        4,
        16,
        360.0,
        15.0,
    ),
    Case("600 by the whole minute", lambda: Window(600, FAST), 2, 16, 360.0, 10.0),
    Case("8 at once", lambda: Places(8, FAST), 1, 16, 300.0, 80.0),
    Case("1 % refused at random", lambda: Flaky(0.01, Open(FAST)), 1, 16, 300.0),
    Case("3 % refused at random", lambda: Flaky(0.03, Open(FAST)), 1, 16, 300.0),
    Case("10 % refused at random", lambda: Flaky(0.1, Open(FAST)), 1, 16, 300.0),
    Case("3 % at random, 3 s a call", lambda: Flaky(0.03, Open(exponential(3.0))), 1, 16, 1200.0),
    Case("600 a minute and 3 % at random", lambda: Flaky(0.03, _bucket(10.0)), 1, 16, 360.0, 10.0),
    Case("no limit", lambda: Open(constant(0.1)), 1, 16, 60.0),
)
NOT_CHOSEN_ON = (
    Case(
        "100 a minute, 1 s, three runs",
        lambda: Bucket(lambda t: 100 / 60, 5.0, exponential(1.0)),
        3,
        8,
        900.0,
        100 / 60,
    ),
    Case("3000 a minute, two runs", lambda: Bucket(lambda t: 50.0, 20.0, slow_twentieth(0.2)), 2, 32, 300.0, 50.0),
    Case(
        "200 a minute, whole seconds",
        lambda: Bucket(lambda t: 200 / 60, 10.0, FAST, lambda s: int(s) + 1.0),
        4,
        16,
        600.0,
        200 / 60,
    ),
    Case(
        "2400, then 600 a minute",
        lambda: Bucket(lambda t: 40.0 if t < 200.0 else 10.0, 10.0, SPREAD),
        3,
        16,
        400.0,
        25.0,
    ),
    Case("300 by the whole minute", lambda: Window(300, exponential(0.5)), 3, 8, 600.0, 5.0),
    Case("5 at once", lambda: Places(5, SPREAD), 1, 24, 300.0, 5 / (1.45 * 0.07)),
    Case("2 % refused at random", lambda: Flaky(0.02, Open(SPREAD)), 1, 16, 300.0),
    Case("5 % refused at random", lambda: Flaky(0.05, Open(exponential(0.3))), 1, 32, 300.0),
    Case("5 % at random, 1 s a call", lambda: Flaky(0.05, Open(exponential(1.0))), 1, 8, 900.0),
    Case("20 % refused at random", lambda: Flaky(0.2, Open(FAST)), 1, 16, 300.0),
    Case("300 a minute and 2 % at random", lambda: Flaky(0.02, _bucket(5.0)), 2, 8, 900.0, 5.0),
    Case("no limit, 64 threads", lambda: Open(SPREAD), 1, 64, 60.0),
)


def _row(case: Case, seeds: range) -> str:
    seen = [case.seen(True, seed) for seed in seeds]
    whole = case.takes * case.seconds if case.takes else case.seen(False, 0).answered
    used = [one.answered / whole for one in seen]
    refused = [one.refused_share for one in seen]
    shown = f"{statistics.mean(used):.1%} | {min(used):.1%} | {statistics.mean(refused):.2%} | {max(refused):.2%}"
    return f"| {case.name} | {shown} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, metavar="N")
    parser.add_argument("--first-seed", type=int, default=1000)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    for title, cases in (("chosen on", CHOSEN_ON), ("not chosen on", NOT_CHOSEN_ON)):
        print(f"\n| {title} | used | least | refused | most |\n|---|---:|---:|---:|---:|")
        for case in cases:
            print(_row(case, seeds), flush=True)


if __name__ == "__main__":
    main()
