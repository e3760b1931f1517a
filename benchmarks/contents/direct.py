"""Cells of the landscape of contents without a prompt: from the arms, by the same coins as behind the endpoint.

A program run through DSPy and the endpoint takes five milliseconds; here a hundredth of that. What a search does with
the cells is the same, and `tests/benchmarks/test_contents.py` holds that the cells are, too.
"""

from collections.abc import Iterator, Mapping

from mipro_studio.benchmarks.contents.landscape import Asked, Contents, Row, Shown
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.evaluation.cell_request import CellRequest
from mipro_studio.optimizer_core.evaluation.executor import Executor
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, Cell, Demo, TraceStep, Usage

__all__ = ["DirectExecutor", "expected"]

OUTPUTS = {"gist": "gist", "classify": "queue"}
"""By predictor."""
INPUTS = {"gist": ("message",), "classify": ("message", "gist")}
SEEDS = {"gist": "Name the gist.", "classify": "Find the queue."}


class DirectExecutor:
    """Fills cells at once; what is refused, given up and closed is the executor's that it stands before."""

    def __init__(self, world: Contents, before: Executor) -> None:
        self._world = world
        self._before = before
        self._refused: StudioError | None = None

    async def run(self, request: CellRequest) -> Cell:
        if self._refused is not None:
            raise self._refused
        row = self._world.row_of(str(request.example.inputs["message"]))
        assert row is not None
        gist = self._world.answer(_asked(self._world, request.arms, "gist", row))
        queue = self._world.answer(_asked(self._world, request.arms, "classify", row, gist))
        self._world.program_runs += 1
        trace = (
            TraceStep("gist", {"message": row.message}, {"gist": gist}),
            TraceStep("classify", {"message": row.message, "gist": gist}, {"queue": queue}),
        )
        prediction = {"gist": gist, "queue": queue}
        return Cell(request.key, float(queue == row.queue), usage=Usage(calls=2), prediction=prediction, trace=trace)

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
        right = world.chance(_asked(world, arms, "gist", row))
        after_right = world.chance(_asked(world, arms, "classify", row, row.gist))
        after_wrong = world.chance(_asked(world, arms, "classify", row, "another"))
        total += right * after_right + (1 - right) * after_wrong
    return total / len(rows)


def _asked(world: Contents, arms: ArmContents, predictor: str, row: Row, gist: str = "") -> Asked:
    instruction = arms.by_kind.get(INSTRUCTION, {}).get(predictor, {}).get("text", SEEDS[predictor])
    content = arms.by_kind.get(DEMOS, {}).get(predictor, {})
    demos = tuple(_in_prompt(world, [Demo(*one) for one in content.get("demos", ())], predictor))
    return Asked(OUTPUTS[predictor], instruction, demos, row, gist)


def _in_prompt(world: Contents, demos: list[Demo], predictor: str) -> Iterator[Shown]:
    """As DSPy's adapters write demos: those that lack a field stand first, those without an output nowhere."""
    output = OUTPUTS[predictor]
    wanted = {*INPUTS[predictor], output}
    for demo in sorted((one for one in demos if output in one.fields), key=lambda one: wanted <= one.fields.keys()):
        fields: Mapping[str, object] = demo.fields
        row = world.row_of(str(fields.get("message", "")))
        if row is not None:
            yield Shown(row, str(fields[output]), str(fields.get("gist", "")))
