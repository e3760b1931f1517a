"""A model as the metric: one call a criterion, yes or no, and the score is the share of criteria that are met.

A yes or no about one statement is what judges agree on most; a mark out of ten drifts. A judge is still a model, and
an optimizer finds its weaknesses: look at what wins.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import dspy
from dspy.utils.exceptions import AdapterParseError

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.metrics.scoring import MetricError, Scorer
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.programs.values import as_prompted, text_of

__all__ = ["Judge", "judge_scorer"]


LONGEST = 120
"""Characters of a reply that is quoted."""


class Verdict(dspy.Signature):  # type: ignore[misc]
    """Decide whether the answer meets the criterion. Say yes only if it clearly does."""

    given: str = dspy.InputField(desc="what the program was given")
    expected: str = dspy.InputField(desc="what a person expects, if anything")
    answer: str = dspy.InputField(desc="what the program answered")
    criterion: str = dspy.InputField()
    met: Literal["yes", "no"] = dspy.OutputField()


class Judge:
    """A metric in [0, 1] with feedback that names the criteria that are not met. Safe in threads.

    Args:
        role_model: The judge's model, metered as `Role.JUDGE`.
    """

    def __init__(self, criteria: Sequence[str], role_model: RoleModel) -> None:
        self._criteria = tuple(criteria)
        self._role_model = role_model
        self._predict = dspy.Predict(Verdict)

    def __call__(self, example: Any, prediction: Any, trace: Any = None) -> dspy.Prediction:
        facts = {
            "given": _lines(example.inputs()),
            "expected": _lines(example.labels()) or "nothing in particular",
            "answer": _lines(prediction),
        }
        missed = []
        # A trace of its own: the judge's calls are no steps of the program.
        with dspy.context(lm=self._role_model.lm, adapter=self._role_model.adapter, trace=[]):
            for criterion in self._criteria:
                if not self._meets(facts, criterion):
                    missed.append(criterion)
        met = len(self._criteria) - len(missed)
        feedback = "Not met: " + "; ".join(missed) if missed else "All criteria are met."
        return dspy.Prediction(score=met / len(self._criteria), feedback=feedback)

    def _meets(self, facts: Mapping[str, str], criterion: str) -> bool:
        try:
            return bool(self._predict(**facts, criterion=criterion).met == "yes")
        except AdapterParseError as error:
            said = " ".join(str(error.lm_response).split())
            said = said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"
            raise MetricError(
                f"The judge answered {said!r} where yes or no was asked.",
                "Choose another model as the judge, or plainer criteria.",
            ) from error


def judge_scorer(config: RunConfig, role_model: RoleModel) -> Scorer:
    """The metric `judge` of a run.

    Raises:
        BadInput: there is no criterion to judge by.
    """
    criteria = [text.strip() for text in config.judge.criteria if text.strip()]
    if not criteria:
        raise BadInput("The judge has no criteria.", "Write one statement a line that a good answer meets.")
    return Scorer(Judge(criteria, role_model), "judge")


def _lines(fields: Mapping[str, Any] | Any) -> str:
    if not hasattr(fields, "items"):
        return text_of(as_prompted(fields))
    return "\n".join(f"{name}: {text_of(as_prompted(value))}" for name, value in fields.items())
