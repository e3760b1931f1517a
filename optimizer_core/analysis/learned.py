"""What a run learned of its arms, as JSON that a run of the same program can start from, also with another model.

An arm's worth is what it adds to the log odds of a cell being right beyond the seed's arm, as the item-response model
sees it after all cells: what little is known of is worth little. A run that starts from it takes the arms, and their
worth as what it expects (`parameters.arm_features.CARRIED`); how much of it holds for this run its own cells decide.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.parameters.arm_features import WORTH, Features, features_of
from mipro_studio.optimizer_core.search.surrogates.laplace import fit
from mipro_studio.optimizer_core.search.surrogates.posterior import MAIN
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, SEED_ARM, Arm, Author, Candidate

__all__ = ["CARRIED_KINDS", "LEARN", "WON", "carried_arms", "check_carried", "learned", "worths"]

CARRIED_KINDS = (INSTRUCTION, DEMOS)
WON = "won_before"
"""Key in the provenance of an arm that the earlier run's winner has."""
VERSION = 1
LEARN = "Write what a run learned with `learned RUN --out FILE`."

Tables = Mapping[str, Mapping[str, Mapping[int, Arm]]]
"""kind -> owner -> index -> arm."""


def learned(
    outputs: Mapping[str, Sequence[str]], arms: Tables, scores: Mapping[str, Mapping[str, float]], winner: str
) -> dict[str, Any]:
    """The arms of a run with their worth, as JSON values: the best first, the winner's before them.

    Args:
        outputs: By predictor, in program order.
        scores: By candidate and example.
        winner: Id of the run's winner.

    Raises:
        BadInput: nothing was scored.
    """
    names = list(outputs)
    worth = worths(len(names), scores, features_of(outputs, arms))
    best = Candidate.parse(winner)
    rows: list[dict[str, Any]] = []
    for (place, kind), of_arms in worth.items():
        for index, arm in arms.get(kind, {}).get(names[place], {}).items():
            if index != SEED_ARM and arm.active and index in of_arms:
                won = best.arm(place, kind) == index
                rows.append({"owner": names[place], "kind": kind, "content": arm.content, "author": arm.author.value,
                             WORTH: round(of_arms[index], 4), WON: won})  # fmt: skip
    rows.sort(key=lambda row: (not row[WON], -row[WORTH]))
    return {"version": VERSION, "predictors": names, "cells": sum(map(len, scores.values())), "arms": rows}


def worths(
    n_predictors: int, scores: Mapping[str, Mapping[str, float]], features: Features
) -> dict[tuple[int, str], dict[int, float]]:
    """What each arm adds beyond the seed's (logit), by (predictor's place, kind) and index: of those that were tried
    or that features say something of.

    Raises:
        BadInput: nothing was scored.
    """
    seen = {name: row for name, row in scores.items() if row}
    posterior = (
        fit([Candidate.parse(name) for name in seen], list(seen.values()), features=features) if seen else None
    )
    if posterior is None:
        raise BadInput("That run has no scores yet, so there is nothing to start from.")
    _, effects = posterior.draw(np.random.default_rng(0), 1, heat=0)
    found: dict[tuple[int, str], dict[int, float]] = {}
    for place in range(n_predictors):
        for kind in CARRIED_KINDS:
            worth = found[place, kind] = dict[int, float]()
            for family, of_codes in zip(posterior.families, effects, strict=True):
                if (family.effect, family.letters, family.place) == (MAIN, kind[0], place):
                    for code, value in zip(family.codes, of_codes[:, 0].tolist(), strict=True):
                        worth[code[0]] = worth.get(code[0], 0.0) + value
            beside = worth.get(SEED_ARM, 0.0)
            worth |= {index: value - beside for index, value in worth.items()}
    return found


def check_carried(text: str, predictors: Sequence[str]) -> None:
    """Whether a program with these predictors can start from what `learned` made, as JSON.

    Raises:
        BadInput: it is something else, or another program's.
    """
    nothing = BadInput("That is not what a run learned.", LEARN)
    try:
        told = json.loads(text)
        names = [str(name) for name in told["predictors"]]
        whole = told["version"] == VERSION and all(map(_sound, told["arms"]))
    except (ValueError, KeyError, TypeError) as error:
        raise nothing from error
    if not whole:
        raise nothing
    if names != list(predictors):
        raise BadInput(
            f"What the run is to start from was learned by a program with the predictors {', '.join(names)}.",
            f"This one has {', '.join(predictors)}.",
        )


def _sound(row: Mapping[str, Any]) -> bool:
    """Whether a row is an arm of its kind."""
    arm = Arm(row["owner"], row["kind"], 1, row["content"], Author(row["author"]))
    if arm.kind == INSTRUCTION:
        good = isinstance(arm.content["text"], str)
    else:
        shown = (isinstance(demo.fields, dict) and isinstance(demo.example_id, str) for demo in arm.demos)
        good = arm.kind == DEMOS and isinstance(arm.content["made"], str) and all(shown)
    return good and isinstance(row[WORTH], (int, float)) and math.isfinite(row[WORTH]) and isinstance(row[WON], bool)


def carried_arms(text: str, free: Sequence[str], searched: Sequence[str], most: int) -> list[Arm]:
    """The arms in what `learned` made, as arms of another run, numbered from 1.

    Args:
        text: What `learned` made, as JSON; its arms stand best first.
        free: Names of the predictors that may have them.
        searched: Kinds of arms that the run searches.
        most: Arms of one kind for one predictor, at most.
    """
    found: dict[tuple[str, str], list[Arm]] = {}
    for row in json.loads(text)["arms"]:
        owner, kind = row["owner"], row["kind"]
        there = found.setdefault((owner, kind), [])
        if owner in free and kind in searched and len(there) < most:
            facts = {WORTH: float(row[WORTH]), WON: bool(row[WON])}
            there.append(Arm(owner, kind, len(there) + 1, row["content"], Author(row["author"]), facts))
    return [arm for of_kind in found.values() for arm in of_kind]
