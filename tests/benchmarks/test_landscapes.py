"""The real search on simulated landscapes."""

from mipro_studio.benchmarks.landscapes.families import FAMILIES, Landscape
from mipro_studio.benchmarks.landscapes.headroom import area
from mipro_studio.benchmarks.landscapes.jobs import DEFAULT, METHODS
from mipro_studio.benchmarks.landscapes.simulate import play
from mipro_studio.optimizer_core.config import parse_config


def test_the_default_search_runs_on_a_landscape_within_its_cap() -> None:
    landscape = Landscape(FAMILIES[0], 0)
    settings = {"program": "simulated", "seed": 0, "budget": {"max_program_runs": 400}, **METHODS[DEFAULT]}
    played = play(landscape, parse_config(settings))
    assert played.runs <= 400 and played.curve
    assert 0.5 < landscape.fraction(played.winner) <= 1


def test_a_cap_that_pays_for_no_other_candidate_leaves_the_program_as_it_is() -> None:
    landscape = Landscape(FAMILIES[0], 0)
    settings = {"program": "simulated", "seed": 0, "budget": {"max_program_runs": 130}, **METHODS[DEFAULT]}
    played = play(landscape, parse_config(settings))
    assert played.runs <= 130 and not any(played.winner.arms)


def test_the_area_is_the_share_of_pairs_in_the_right_order() -> None:
    assert area([("", True, 2.0), ("", True, 0.0), ("", False, 1.0)]) == 0.5
    assert area([("", True, 1.0), ("", False, 1.0), ("", False, 0.0)]) == 0.75
