import subprocess
import sys

from mipro_studio.optimizer_core.seeds import derive_seed, generator


def test_a_seed_depends_on_the_run_and_on_every_part_of_the_concern() -> None:
    seeds = [
        derive_seed(0, "tip"),
        derive_seed(1, "tip"),
        derive_seed(0, "tip", "queue"),
        derive_seed(0, "tip", "queue", 1),
        derive_seed(0, "tip", "queue", 2),
        derive_seed(0, "tip", "queue", "1"),
        derive_seed(0, "tip", "queue1"),
        derive_seed(0, "ti", "pqueue"),
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_seed_0_is_a_seed() -> None:
    draws = {tuple(generator(seed, "x").random() for _ in range(3)) for seed in (0, 0, 1, -1)}
    assert len(draws) == 3


def test_a_seed_is_the_same_in_every_process() -> None:
    code = "from mipro_studio.optimizer_core.seeds import derive_seed; print(derive_seed(0, 'suggest', 7))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": salt}, capture_output=True, text=True
        ).stdout
        for salt in ("1", "2")
    }
    assert outputs == {f"{derive_seed(0, 'suggest', 7)}\n"}
