"""The loop learns, is repeatable, and goes on from its checkpoint to the same end."""

from pathlib import Path

import numpy as np
import pytest

from mipro_studio.optimizer_core.finetuning.batch import TokenRow
from mipro_studio.optimizer_core.finetuning.lora import LoraSettings, read_adapter, write_adapter
from mipro_studio.optimizer_core.finetuning.network import NetworkShape, random_network
from mipro_studio.optimizer_core.finetuning.training import Step, TrainingSettings, train

SHAPE = NetworkShape(2, 24, 6, 2, 40, 50, 10_000.0, 1e-5)
NETWORK = random_network(SHAPE, 0, np.float32)
ROWS = [TokenRow((1, 5, 6, 10 + n, 7), (30 + n % 3, 2)) for n in range(12)]
SETTINGS = TrainingSettings(epochs=6, batch_size=4, learning_rate=0.01, lora=LoraSettings(rank=4))


class Killed(BaseException):
    pass


def test_the_loss_falls(tmp_path: Path) -> None:
    _, losses = train(NETWORK, ROWS, SETTINGS, tmp_path / "checkpoint.npz")
    assert len(losses) == SETTINGS.steps(len(ROWS)) == 18
    assert np.mean(losses[-3:]) < 0.5 * np.mean(losses[:3])


@pytest.mark.parametrize("first_layer", [0, 1])
@pytest.mark.parametrize("killed_at", [1, 7, 17])
def test_a_killed_training_ends_at_the_same_adapter(tmp_path: Path, first_layer: int, killed_at: int) -> None:
    settings = SETTINGS.model_copy(update={"lora": LoraSettings(rank=4, first_layer=first_layer)})
    whole, losses = train(NETWORK, ROWS, settings, tmp_path / "whole.npz")

    def kill(step: Step) -> None:
        if step.number == killed_at:
            raise Killed

    with pytest.raises(Killed):
        train(NETWORK, ROWS, settings, tmp_path / "killed.npz", kill)
    repeated: list[int] = []
    note = lambda step: repeated.append(step.number)  # noqa: E731
    resumed, again = train(NETWORK, ROWS, settings, tmp_path / "killed.npz", note)
    assert again == losses
    assert repeated[0] == 3 * (killed_at // 3) + 1  # three steps an epoch: only the begun epoch is done again
    for key, pair in whole.items():
        assert (pair.a == resumed[key].a).all() and (pair.b == resumed[key].b).all()


def test_an_adapter_is_trained_further_and_a_killed_training_of_it_ends_alike(tmp_path: Path) -> None:
    pairs, before = train(NETWORK, ROWS, SETTINGS, tmp_path / "first.npz")
    begin = (pairs, SETTINGS.lora.alpha)

    def kill(step: Step) -> None:
        if step.number == 8:
            raise Killed

    further, losses = train(NETWORK, ROWS, SETTINGS, tmp_path / "second.npz", begin=begin)
    assert losses[0] < before[0] / 2, "it begins where the first ended"
    with pytest.raises(Killed):
        train(NETWORK, ROWS, SETTINGS, tmp_path / "killed.npz", kill, begin)
    resumed, again = train(NETWORK, ROWS, SETTINGS, tmp_path / "killed.npz", begin=begin)
    assert again == losses
    assert all((resumed[key].b == pair.b).all() for key, pair in further.items())
    _, fresh = train(NETWORK, ROWS, SETTINGS, tmp_path / "killed.npz")
    assert fresh == before, "a checkpoint of another beginning is not taken up"


@pytest.mark.parametrize("lora", [{"rank": 3}, {"rank": 4, "first_layer": 1}, {"rank": 4, "alpha": 1.0}])
def test_an_adapter_of_another_form_is_not_trained_further(tmp_path: Path, lora: dict) -> None:
    pairs, _ = train(NETWORK, ROWS[:4], SETTINGS, tmp_path / "first.npz")
    other = SETTINGS.model_copy(update={"lora": LoraSettings(**lora)})
    with pytest.raises(ValueError, match="another rank, alpha, or other layers"):
        train(NETWORK, ROWS, other, tmp_path / "second.npz", begin=(pairs, SETTINGS.lora.alpha))


def test_a_checkpoint_of_other_rows_is_not_taken_up(tmp_path: Path) -> None:
    train(NETWORK, ROWS, SETTINGS, tmp_path / "one.npz")
    _, losses = train(NETWORK, ROWS[:8], SETTINGS, tmp_path / "one.npz")
    _, fresh = train(NETWORK, ROWS[:8], SETTINGS, tmp_path / "two.npz")
    assert losses == fresh


def test_a_damaged_checkpoint_is_begun_anew(tmp_path: Path) -> None:
    _, losses = train(NETWORK, ROWS, SETTINGS, tmp_path / "one.npz")
    held = (tmp_path / "one.npz").read_bytes()
    (tmp_path / "one.npz").write_bytes(held[: len(held) // 2])
    assert train(NETWORK, ROWS, SETTINGS, tmp_path / "one.npz")[1] == losses


def test_an_adapter_comes_back_from_its_file(tmp_path: Path) -> None:
    pairs, _ = train(NETWORK, ROWS, SETTINGS, tmp_path / "checkpoint.npz")
    write_adapter(tmp_path / "adapter.gguf", pairs, SETTINGS.lora, "a tiny model")
    found, alpha = read_adapter(tmp_path / "adapter.gguf")
    assert alpha == SETTINGS.lora.alpha
    assert found.keys() == pairs.keys()
    assert all((found[key].a == pairs[key].a).all() and (found[key].b == pairs[key].b).all() for key in pairs)


@pytest.mark.parametrize(
    ("rows", "lora", "says"),
    [
        ([], {}, "no rows"),
        (ROWS, {"first_layer": 2}, "none of 2 layers"),
        (ROWS, {"projections": ("attn_x",)}, "no projection"),
    ],
)
def test_what_cannot_be_trained_is_a_sentence(tmp_path: Path, rows: list[TokenRow], lora: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        train(NETWORK, rows, TrainingSettings(lora=LoraSettings(**lora)), tmp_path / "checkpoint.npz")
