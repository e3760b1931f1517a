"""Cells of the landscape of contents without a prompt: from the arms, by the same coins as behind the endpoint.

A program run through DSPy and the endpoint takes five milliseconds; here a hundredth of that. What a search does with
the cells is the same, and `tests/benchmarks/test_contents.py` holds that the cells are, too.
"""

from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from mipro_studio.benchmarks.contents.landscape import Asked, Contents, Row, Shown
from mipro_studio.benchmarks.contents.program import PREDICTORS, SEEDS
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.evaluation.cell_request import CellRequest
from mipro_studio.optimizer_core.evaluation.executor import Executor
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, Cell, Demo, TraceStep, Usage

__all__ = ["DirectExecutor", "expected"]


class DirectExecutor:
    """Fills cells at once; what is refused, given up and closed is the executor's that it stands before."""

    def __init__(self, world: Contents, before: Executor, metric: Callable[[Any, Any], float]) -> None:
        self._world = world
        self._before = before
        self._metric = metric
        self._refused: StudioError | None = None

    async def run(self, request: CellRequest) -> Cell:
        if self._refused is not None:
            raise self._refused
        row = self._world.row_of(str(request.example.inputs["message"]))
        assert row is not None
        self._world.program_runs += 1
        prediction: dict[str, Any] = {}
        trace = []
        for name in self._world.chain:
            known = {key: prediction[key] for key in (self._world.before(name),) if key in prediction}
            said = self._world.answer(_asked(self._world, request.arms, name, row, "".join(known.values())))
            prediction[name] = said
            trace.append(TraceStep(PREDICTORS[name], {"message": row.message, **known}, {name: said}))
        score = self._metric(SimpleNamespace(message=row.message, queue=row.queue), SimpleNamespace(**prediction))
        usage = Usage(calls=len(trace))
        return Cell(request.key, score, usage=usage, prediction=prediction, trace=tuple(trace))

    def refuse(self, reason: StudioError | None) -> None:
        self._refused = reason
        self._before.refuse(reason)

    def give_up(self, reason: StudioError) -> float:
        return self._before.give_up(reason)

    async def drain(self) -> None:
        await self._before.drain()

    def close(self) -> None:
        self._before.close()


def expected(world: Contents, arms: ArmContents, rows: list[Row]) -> float:
    """The mean score on `rows` that these arms have without the luck of coins."""
    total = 0.0
    for row in rows:
        right = 1.0
        for name in world.chain:
            before = world.before(name)
            after_right = world.chance(_asked(world, arms, name, row, row.right(before)))
            after_wrong = world.chance(_asked(world, arms, name, row, "another"))
            right = right * after_right + (1 - right) * after_wrong
        total += right
    return total / len(rows)


def _asked(world: Contents, arms: ArmContents, name: str, row: Row, before: str = "") -> Asked:
    predictor = PREDICTORS[name]
    instruction = arms.by_kind.get(INSTRUCTION, {}).get(predictor, {}).get("text", SEEDS[name])
    content = arms.by_kind.get(DEMOS, {}).get(predictor, {})
    demos = tuple(_in_prompt(world, [Demo(*one) for one in content.get("demos", ())], name))
    return Asked(name, instruction, demos, row, before)


def _in_prompt(world: Contents, demos: list[Demo], name: str) -> Iterator[Shown]:
    """As DSPy's adapters write demos: those that lack a field stand first, those without an output nowhere."""
    before = world.before(name)
    wanted = {"message", before, name}
    for demo in sorted((one for one in demos if name in one.fields), key=lambda one: wanted <= one.fields.keys()):
        fields: Mapping[str, object] = demo.fields
        row = world.row_of(str(fields.get("message", "")))
        if row is not None:
            yield Shown(row, str(fields[name]), str(fields.get(before, "")))
