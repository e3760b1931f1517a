"""`python -m benchmarks.landscapes`: the searches against each other where the best possible score is known.

Writes docs/landscapes.md and docs/landscapes.svg. With `--cache FILE` a call that was interrupted goes on.
"""

import argparse
from pathlib import Path

from mipro_studio.benchmarks.landscapes.effects import DESIGNS, EFFECT, Finding, find_all
from mipro_studio.benchmarks.landscapes.families import FAMILIES
from mipro_studio.benchmarks.landscapes.jobs import DEFAULT, DSPY, METHODS, Job, default_share, run_jobs
from mipro_studio.benchmarks.landscapes.report import effects_table, figure, report

DOCS = Path(__file__).parents[2] / "docs"


OTHERS = "## Arms that were never tried"
"""The first heading of what other benchmarks wrote."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--other-seeds", type=int, help="of methods but the default and DSPy's; all, if not said")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path, default=DOCS)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), help="names, or parts of them")
    parser.add_argument("--no-effects", action="store_true", help="leave out the part on importance")
    parser.add_argument("--fresh", type=int, metavar="SEED", help="only print the part on importance, from this seed")
    parser.add_argument("--runs", type=int, default=200, help="runs without an effect, of each design")
    parser.add_argument("--designs", nargs="*", default=list(DESIGNS), help="names, or parts of them")
    parser.add_argument("--described", action="store_true", help="arms with contents of their own, drawn at random")
    said = parser.parse_args()
    if said.fresh is not None:
        print(effects_table(planted(said.fresh, said)))
        return
    seeds = range(said.first, said.first + said.seeds)
    places = [(family, seed) for seed in seeds for family in range(len(FAMILIES))]
    reference = [Job(DSPY, family, seed, None) for family, seed in places]
    found = run_jobs(reference, said.processes, said.cache)
    chosen = [name for name in METHODS if name == DEFAULT or any(part in name for part in said.methods)]
    jobs = []
    others = said.seeds if said.other_seeds is None else min(said.other_seeds, said.seeds)
    for job in reference:
        budget = found[job.key].runs
        jobs.append(Job(DEFAULT, job.family, job.seed, int(budget * default_share(job.family))))
        methods = chosen if job.seed < said.first + others else [DEFAULT]
        jobs += [Job(method, job.family, job.seed, budget) for method in methods]
    found |= run_jobs(jobs, said.processes, said.cache)
    results = {(job.method, job.family, job.seed, job.cap): found[job.key] for job in (*reference, *jobs)}
    text = report(results, said.seeds, others, chosen)
    if not said.no_effects:
        text += effects_table(planted(0, said))
    said.out.mkdir(parents=True, exist_ok=True)
    (said.out / "landscapes.md").write_text(text + _kept(said.out / "landscapes.md"))
    everywhere = {key: result for key, result in results.items() if key[2] < said.first + others}
    (said.out / "landscapes.svg").write_text(figure(everywhere, others, chosen))
    print(text)


def _kept(page: Path) -> str:
    """What other benchmarks found, which stands after this one's part of the page."""
    old = page.read_text() if page.exists() else ""
    at = old.find(OTHERS)
    return "" if at < 0 else f"\n{old[at:]}"


def planted(first: int, said: argparse.Namespace) -> dict[str, tuple[list[Finding], list[Finding]]]:
    """Every design on so many seeds without an effect and 20 with one, from seed `first`."""
    none, some = range(first, first + said.runs), range(first, first + min(20, said.runs))
    return {
        name: (
            find_all(name, none, 0.0, said.processes, said.cache, said.described),
            find_all(name, some, EFFECT, said.processes, said.cache, said.described),
        )
        for name in DESIGNS
        if any(part in name for part in said.designs)
    }


if __name__ == "__main__":
    main()
