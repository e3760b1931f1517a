"""Student's distribution in closed form, held against scipy's."""

import ast
from pathlib import Path

import pytest
from scipy import stats

from mipro_studio.optimizer_core.analysis import statistics, student


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_quantiles_are_scipys(level: float) -> None:
    for freedom in (*range(1, 40), 99, 100, 1000, 4999):
        assert student.t_within(freedom, level) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom), rel=1e-10)
    assert student.z_within(level) == pytest.approx(stats.norm.ppf((1 + level) / 2), rel=1e-12)


@pytest.mark.parametrize("module", [statistics, student])
def test_an_interval_waits_for_no_import_of_scipy(module: object) -> None:
    tree = ast.parse(Path(str(getattr(module, "__file__", ""))).read_text(encoding="utf-8"))
    named = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    named |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert not any(name.split(".")[0] == "scipy" for name in named)
