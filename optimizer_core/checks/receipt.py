"""The receipt of a run: what was asked for against what took effect, before the first call."""

import importlib.metadata
import platform
from typing import Any

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.data import Dataset
from mipro_studio.optimizer_core.evaluation.placement import Placement
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models.role_models import model_rows
from mipro_studio.optimizer_core.optimizers.registry import get_optimizer
from mipro_studio.optimizer_core.parameters.registry import KINDS
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.types import Split

__all__ = ["receipt"]

PACKAGES = ("mipro-studio", "dspy", "optuna", "xllamacpp", "streamlit", "plotly", "scikit-learn", "sqlite-utils")


def receipt(
    config: RunConfig,
    values: dict[str, Any],
    program: Program,
    scorer: Scorer,
    data: Dataset,
    placement: Placement | None = None,
) -> dict[str, Any]:
    """Requested against effective, before the first call; a run adds what only it can find out.

    Args:
        config, values: The settings as they were resolved, and as a person gave them.
        placement: Where program runs will happen; None where nothing was measured.

    Returns:
        {settings: [{setting, requested, effective, why}], asked, takes, drops, splits, versions}, as JSON.
    """
    sizes = {split.value: len(data.of(split)) for split in Split}
    minibatch = min(config.search.minibatch_size, sizes["val"])
    shrunk = "validation rows" if minibatch != config.search.minibatch_size else ""
    batch = ("minibatch_size", config.search.minibatch_size, minibatch, shrunk)
    rows: list[tuple[str, Any, Any, str]] = [
        *([batch] if config.search.schedule == "minibatch" else []),  # a race has steps of its own
        (
            "stratify",
            config.data.stratify,
            data.stratified_by,
            "the program's label" if config.data.stratify is None else "",
        ),
        ("labels", values.get("data", {}).get("labels"), list(data.roles.labels), ""),
        ("metric", config.metric, scorer.name, "the program's own" if config.metric is None else ""),
        (
            "program_summary",
            config.proposer.program_summary,
            config.proposer.program_summary and program.code is not None,
            "" if program.code else "no source code",
        ),
        *_further_kinds(config, program),
        *model_rows(config, program),
        ("executor", values.get("executor"), *_where(placement)),
        ("dspy response cache", None, False, "calls of the roles' models are paid for once and counted"),
    ]
    return {
        "settings": [
            {"setting": name, "requested": asked, "effective": effective, "why": why}
            for name, asked, effective, why in rows
        ],
        "asked": {name: value for name, value in values.items() if name != "carried"},
        "takes": list(get_optimizer(config.optimizer).accepts(config)),
        "drops": get_optimizer(config.optimizer).drops,
        "splits": sizes,
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _where(placement: Placement | None) -> tuple[str, str]:
    if placement is None:
        return "threads", "nothing was measured that speaks for processes"
    words = {"processes": f"{placement.processes} processes", "ray": "the nodes of a Ray cluster"}
    return words.get(placement.executor, placement.executor), placement.why


def _further_kinds(config: RunConfig, program: Program) -> list[tuple[str, Any, Any, str]]:
    """Whether the further kinds of arms that were asked for are searched, and why not."""
    rows = []
    for kind in config.search.kinds:
        has = any(arm.owner not in config.search.freeze for arm in KINDS[kind].seeds(program))
        can = kind in get_optimizer(config.optimizer).may_search
        why = "" if has and can else f"{config.optimizer} does not" if has else f"the program has no {kind}"
        rows.append((f"{kind} searched", True, has and can, why))
    return rows


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
