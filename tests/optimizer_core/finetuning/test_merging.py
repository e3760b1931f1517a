"""A model with an adapter merged into it answers as the model beside the adapter does."""

from pathlib import Path

import numpy as np
import pytest

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.finetuning.batch import TokenRow, pack, segments
from mipro_studio.optimizer_core.finetuning.gradients import Tuned, answers
from mipro_studio.optimizer_core.finetuning.lora import LoraSettings, Pair, initial_pairs, write_adapter
from mipro_studio.optimizer_core.finetuning.merging import merge
from mipro_studio.optimizer_core.finetuning.network import NetworkShape, load_network
from mipro_studio.optimizer_core.models.embedded import CompactAdapter, embedded_lm
from tests.optimizer_core.finetuning.tiny import SHAPE, write_tiny_model
from tests.programs import desk

pytestmark = [pytest.mark.embedded, pytest.mark.usefixtures("weights")]
LORA = LoraSettings(rank=4, first_layer=1)


def drawn(shape: NetworkShape) -> dict:
    """An adapter that changes what the model says."""
    rng = np.random.default_rng(1)
    pairs = initial_pairs(shape, LORA, 0)
    return {
        key: Pair(pair.a, np.asarray(rng.normal(0, 0.2, pair.b.shape), np.float32)) for key, pair in pairs.items()
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    folder = tmp_path_factory.mktemp("merging")
    base, adapter, merged = (folder / name for name in ("tiny.gguf", "adapter.gguf", "merged.gguf"))
    write_tiny_model(base)
    write_adapter(adapter, drawn(SHAPE), LORA, "tiny")
    merge(base, adapter, merged)
    return base, adapter, merged


def test_what_is_merged_is_the_model_and_the_adapter_in_one(files: tuple[Path, Path, Path]) -> None:
    base, _, merged = files
    row = segments([TokenRow((1, 70, 900, 7, 12), (30, 2))])
    beside = answers(Tuned(load_network(base), drawn(SHAPE), LORA.scale), pack(row))
    alone = answers(Tuned(load_network(merged), {}, 0.0), pack(row))
    plain = answers(Tuned(load_network(base), {}, 0.0), pack(row))
    assert np.abs(alone - beside).max() < 0.01 * np.abs(beside - plain).max()


def test_a_merged_file_is_served_as_the_adapter_is(
    files: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    base, adapter, merged = files
    monkeypatch.setenv("MIPRO_STUDIO_GGUF", str(base))
    monkeypatch.setenv("MIPRO_STUDIO_EMBEDDED_IDLE_S", "2")
    told = [
        [CompactAdapter()(lm, {}, desk.Queue, [], {"message": f"message {n}"})[0]["queue"] for n in range(12)]
        for lm in (embedded_lm(weights=adapter), embedded_lm(base=merged), embedded_lm())
    ]
    assert sum(one == other for one, other in zip(*told[:2], strict=True)) >= 11
    assert told[0] != told[2], "the adapter changes answers"


def test_an_adapter_of_another_model_is_refused(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    shape = NetworkShape(2, 32, 4, 2, 96, 49152, 100_000.0, 1e-5)
    write_adapter(tmp_path / "other.gguf", drawn(shape), LORA, "other")
    with pytest.raises(BadInput, match="of another model"):
        merge(files[0], tmp_path / "other.gguf", tmp_path / "merged.gguf")
