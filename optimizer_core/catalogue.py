"""Optimizers, presets, surrogates and schedules as a form offers them, read without DSPy.

What an optimizer searches stands here and nowhere else: its class takes it by its name (`optimizers/base.py`). The
settings allow the surrogates, schedules and ways of labelling that are listed here. That everything that there is
stands here is held by `tests/optimizer_core/test_catalogue.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

__all__ = [
    "LABELS",
    "METRICS",
    "OPTIMIZERS",
    "PRESETS",
    "SCHEDULES",
    "SURROGATES",
    "LabelsName",
    "Listed",
    "ScheduleName",
    "SurrogateName",
]


@dataclass(frozen=True, slots=True)
class Listed:
    """`title` as the papers call it, `summary` in one line.

    Attributes:
        searches: The kinds of arms that candidates differ in.
        may_search: Further kinds that it searches where the settings name them.
        switches: What TPE searches are the proposer's switches.
        bounded: Why more trials would add nothing to a run that is completed; "" where they would.
    """

    title: str
    summary: str
    searches: tuple[str, ...] = ("instruction", "demos")
    may_search: tuple[str, ...] = ()
    switches: bool = False
    bounded: str = ""


OPTIMIZERS: Mapping[str, Listed] = {
    "studio": Listed(
        "Studio",
        "The studio's own: instructions and demos as in MIPRO, each tried on a few rows first and on more as long as "
        "it may win.",
        may_search=("tools",),
    ),
    "mipro": Listed(
        "MIPRO",
        "The paper's: instructions and demos of all predictors, chosen together by TPE on minibatches.",
        may_search=("tools",),
    ),
    "bootstrap_few_shot": Listed(
        "BootstrapFewShot",
        "Demos from the first training rows that pass, in the rows' order: one set, no search.",
        searches=("demos",),
        bounded="It makes one demo set, and no more.",
    ),
    "bootstrap_rs": Listed(
        "Bootstrap RS",
        "Demo sets only: each bootstrapped set once, in DSPy's order, on the whole validation set.",
        searches=("demos",),
        bounded="It tries each of its demo sets once, and no more.",
    ),
    "bayesian_bootstrap": Listed(
        "Bayesian Bootstrap",
        "Demo sets only, one choice a predictor, by multivariate TPE on minibatches.",
        searches=("demos",),
    ),
    "zero_shot_mipro": Listed(
        "0-Shot MIPRO",
        "Instructions only, by a surrogate on minibatches; demos are bootstrapped for the proposer alone.",
        searches=("instruction",),
        may_search=("tools",),
    ),
    "zero_shot_mipro_pp": Listed(
        "0-Shot MIPRO++",
        "The proposer's switches searched by TPE, with fresh instructions in every trial.",
        searches=("instruction",),
        switches=True,
    ),
    "mipro_pp": Listed(
        "MIPRO++",
        "MIPRO++ in full: the proposer's switches, the number of demos and the bootstrap's seed, by TPE.",
        switches=True,
    ),
    "opro": Listed(
        "OPRO",
        "A single predictor's instruction, written again and again from its history of scores.",
        searches=("instruction",),
    ),
    "module_opro": Listed(
        "Module-Level OPRO",
        "Instructions in rounds: every predictor's next one is written from its history of scores, grounded.",
        searches=("instruction",),
    ),
    "module_opro_ungrounded": Listed(
        "Module-Level OPRO -G",
        "Module-level OPRO whose proposer sees demos and history only: no summaries, no tips.",
        searches=("instruction",),
    ),
    "program_opro": Listed(
        "Program-Level OPRO",
        "Instructions in rounds: one call writes all of them from one history of whole programs.",
        searches=("instruction",),
    ),
    "ca_opro": Listed(
        "CA-OPRO",
        "Instructions by greedy coordinate ascent: N for one predictor, keep the best, next predictor, D times.",
        searches=("instruction",),
        bounded="Its breadth and depth say how many trials it has.",
    ),
    "gepa": Listed(
        "GEPA",
        "Instructions evolved by reflection on traces, with a Pareto front of candidates (the gepa library).",
        searches=("instruction",),
    ),
    "bootstrap_finetune": Listed(
        "BootstrapFinetune",
        "The task model's weights, tuned on traces that pass the metric and on labels. Prompts stay.",
        searches=("weights",),
        bounded="It tunes once, and no more.",
    ),
    "better_together": Listed(
        "BetterTogether",
        "Prompts and weights in turn, as in p -> w -> p: demo sets by Bootstrap RS, weights by BootstrapFinetune.",
        searches=("demos", "weights"),
        bounded="The steps of its strategy say how many trials it has.",
    ),
}

PRESETS: Mapping[str, str] = {
    "studio": "The studio's own settings: the ones to begin with.",
    "paper": "The MIPRO paper's: 50 full evaluations' worth of program runs, for each of its tasks its number; 20 "
    "for other programs of more than two predictors.",
    "light": "As DSPy's MIPROv2 with auto='light'.",
    "medium": "As DSPy's MIPROv2 with auto='medium'.",
    "heavy": "As DSPy's MIPROv2 with auto='heavy'.",
}

SURROGATES: Mapping[str, str] = {
    "tpe": "TPE: Optuna's, as in the paper",
    "item_response": "Item response: a model of every cell, Thompson sampling",
    "random": "Random: no model, the baseline to beat",
}

LABELS: Mapping[str, str] = {
    "spread": "Spread over the answers",
    "random": "At random, as DSPy",
}

SCHEDULES: Mapping[str, str] = {
    "minibatch": "Minibatches, now and then a full evaluation",
    "racing": "Racing: more cells as long as a candidate may win",
    "full": "Full evaluations only",
}

if TYPE_CHECKING:  # no type checker reads the keys of a mapping
    SurrogateName: TypeAlias = str
    ScheduleName: TypeAlias = str
    LabelsName: TypeAlias = str
else:  # the types of settings: one of the names
    SurrogateName, ScheduleName, LabelsName = (Literal[tuple(names)] for names in (SURROGATES, SCHEDULES, LABELS))

METRICS: Mapping[str, str] = {
    "exact_match": "1 when the answer is the label, whatever type each has (3 and 3.0, true and True, a record and "
    "its JSON); texts to the letter, lists in order",
    "normalized_exact_match": "the same, texts without case, articles and punctuation that changes no meaning (C++ "
    "is not C#, -5 is not 5)",
    "token_f1": "overlap of words with the label, 0 to 1, as SQuAD has it",
    "numeric": "1 when the number that the answer comes to is the label's (1/2 and 50%, 1,000 and 1e3), else 0",
}
"""The built-in metrics; each is the mean over the label columns that the program puts out, or over those named."""
