"""Break the studio, one thing at a time, and see whether the tests that should notice do.

python -m scripts.mutations            all of scripts/mutants; ends with 1 when one was missed
python -m scripts.mutations WORD ...   those with one of the words in their name or file

Each mutant is an edit of one file in a copy of the checkout. It is caught when a test fails that passes without it;
so the tests are run once unchanged at the beginning.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.mutants import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[1]
LONGEST_S = 600.0


def main(words: Sequence[str]) -> int:
    chosen = [one for one in MUTANTS if not words or any(word in f"{one.what} {one.file}" for word in words)]
    with tempfile.TemporaryDirectory() as folder:
        copy = _copy_of_the_checkout(Path(folder) / "checkout")
        if stale := [one for one in chosen if _source(copy, one).count(one.old) != 1]:
            for one in stale:
                print(f"stale   {one.file}: its text is not there exactly once: {one.what}")
            return 2
        if not words and not _tests_pass(copy, tuple(dict.fromkeys(test for one in chosen for test in one.tests))):
            print("The tests fail without any mutant.")
            return 2
        missed = sum(not _caught(copy, one) for one in chosen)
    print(f"{len(chosen) - missed} of {len(chosen)} mutants caught")
    return 1 if missed else 0


def _copy_of_the_checkout(to: Path) -> Path:
    """The files that git knows, as they are now."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name, follow_symlinks=False)
    return to


def _source(copy: Path, mutant: Mutant) -> str:
    return (copy / mutant.file).read_text(encoding="utf-8")


def _caught(copy: Path, mutant: Mutant) -> bool:
    path, whole, began = copy / mutant.file, _source(copy, mutant), time.monotonic()
    path.write_text(whole.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        caught = not _tests_pass(copy, mutant.tests)
    finally:
        path.write_text(whole, encoding="utf-8")
    print(
        f"{'caught' if caught else 'MISSED'}  {time.monotonic() - began:4.0f} s  {mutant.file}: {mutant.what}",
        flush=True,
    )
    return caught


def _tests_pass(copy: Path, tests: Sequence[str]) -> bool:
    """Whether all pass. That none is found, or that they end for another reason, is an error of the list's."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended with {done.returncode} on {' '.join(tests)}:\n{done.stdout[-2000:]}")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
