import io
from collections.abc import Iterator

from tqdm import tqdm

from mipro_studio.optimizer_core.progress_bars import bear_clearing


class Rows:
    """Clears tqdm's list while a bar over it is made, as another thread's `dspy.Parallel` may."""

    def __len__(self) -> int:
        tqdm._instances.clear()
        return 2

    def __iter__(self) -> Iterator[int]:
        return iter((1, 2))


def test_a_bar_that_is_switched_off_may_have_been_cleared_meanwhile() -> None:
    bear_clearing()
    assert list(tqdm(Rows(), disable=True)) == [1, 2]


def test_bars_are_listed_as_before() -> None:
    bear_clearing()
    bear_clearing()
    bar = tqdm(total=1, file=io.StringIO())
    assert bar in tqdm._instances
    bar.close()
    assert bar not in tqdm._instances
