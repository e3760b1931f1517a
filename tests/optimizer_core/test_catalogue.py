"""What the form offers is what there is."""

import pytest

from mipro_studio.optimizer_core import catalogue
from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.metrics.built_in import BUILT_IN
from mipro_studio.optimizer_core.optimizers.registry import OPTIMIZERS
from mipro_studio.optimizer_core.optimizers.zero_shot_mipro_pp import ZeroShotMiproPlus
from mipro_studio.optimizer_core.runs.presets import PRESETS
from mipro_studio.optimizer_core.search.surrogates import SURROGATES


def test_all_optimizers_are_listed_in_their_order() -> None:
    assert list(catalogue.OPTIMIZERS) == list(OPTIMIZERS)
    for name, one in catalogue.OPTIMIZERS.items():
        assert (one.searches, one.may_search) == (OPTIMIZERS[name].searches, OPTIMIZERS[name].may_search), name
        assert one.switches == issubclass(OPTIMIZERS[name], ZeroShotMiproPlus), name


@pytest.mark.parametrize("name", [*catalogue.OPTIMIZERS])
def test_it_is_said_where_more_trials_add_nothing(name: str) -> None:
    """Of a run that has made as many trials as its optimizer can use with few candidates."""
    small = {"candidates": 3, "breadth": 2, "depth": 2}

    def most(trials: int) -> int:
        config = RunConfig.model_validate(
            {"program": "a:b", "optimizer": name, "search": {**small, "trials": trials}}
        )
        return OPTIMIZERS[name]().work(config, 1).trials

    assert bool(catalogue.OPTIMIZERS[name].bounded) == (most(1000) == most(2000))


def test_presets_surrogates_and_metrics_are_listed() -> None:
    assert set(catalogue.PRESETS) == set(PRESETS)
    assert set(catalogue.SURROGATES) == set(SURROGATES)
    assert set(catalogue.METRICS) == set(BUILT_IN)
