"""The studio as an optimizer of DSPy's kind, which stands wherever one of theirs stands."""

from collections.abc import Iterable
from typing import Any, Unpack

import dspy
from dspy.teleprompt import Teleprompter

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.python_call.optimize import optimize
from mipro_studio.python_call.request import Metric, Options
from mipro_studio.python_call.result import Result

__all__ = ["StudioOptimizer"]


class StudioOptimizer(Teleprompter):  # type: ignore[misc]
    """`StudioOptimizer(metric=...).compile(student, trainset=...)`, for `dspy.BetterTogether` and one's own code.

    The compiled program is a copy of the student. It carries the evidence as `program.detailed_results`, and so does
    the optimizer as `result`.

    Args:
        metric: As `dspy.Evaluate` takes it.
        options: As `mipro_studio.optimize` takes them.
    """

    def __init__(self, metric: Metric | str | None = None, **options: Unpack[Options]) -> None:
        super().__init__()
        self.metric = metric
        self.options = options
        self.result: Result | None = None

    def compile(
        self,
        student: dspy.Module,
        *,
        trainset: Iterable[Any],
        teacher: Any = None,
        valset: Iterable[Any] | None = None,
        testset: Iterable[Any] | None = None,
        **more: Any,
    ) -> dspy.Module:
        """The optimized student.

        Args:
            teacher: A model that runs the student while demos are gathered.
            more: Options that differ from those of this optimizer.

        Raises:
            StudioError: as `optimize`.
        """
        if isinstance(teacher, dspy.Module | list | tuple):
            raise BadInput(
                "The studio's teacher is a model that runs the student itself, not a program.",
                "Leave teacher out, or give a dspy.LM.",
            )
        options: Options = {**self.options, **more}  # type: ignore[typeddict-item]
        if teacher is not None:
            options["teacher"] = teacher
        self.result = optimize(
            student, trainset=trainset, valset=valset or None, testset=testset, metric=self.metric, **options
        )
        compiled = self.result.program
        compiled.detailed_results = self.result
        return compiled
