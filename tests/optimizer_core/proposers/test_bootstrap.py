"""Demo sets: named as DSPy names them, built from the same rows whoever answers first."""

import asyncio
import random
from collections import Counter
from dataclasses import replace

import pytest

from mipro_studio.optimizer_core.config import SearchSettings
from mipro_studio.optimizer_core.parameters.demos import demos_arm, made_how
from mipro_studio.optimizer_core.proposers.bootstrap import Bootstrapper, plan_sets, trace_fates
from mipro_studio.optimizer_core.proposers.labels import labeled_demos
from mipro_studio.optimizer_core.types import TEACHER, Arm, Cell, CellKey, ErrorClass, Example, Split, TraceStep
from tests.arms import demo_sets_of
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import MORE, fresh_journal, live, make_config, make_examples

ROWS = make_examples(20, 1)[:20]
PREDICTORS = {"queue": (("message",), ("queue",)), "tone": (("message",), ("tone",))}


def test_sets_are_numbered_and_named_as_dspy_has_them() -> None:
    plans = plan_sets(20, 6, 3, 4, 0)
    assert [plan.index for plan in plans] == list(range(6))
    assert [plan.kind for plan in plans] == ["zero_shot", "labels_only", "unshuffled"] + ["shuffled"] * 3
    assert [plan.n_bootstrapped for plan in plans[:3]] == [0, 0, 3]
    assert all(1 <= plan.n_bootstrapped <= 3 for plan in plans[3:])
    assert plans[2].order == tuple(range(20))
    assert all(sorted(plan.order) == list(range(20)) and plan.order != tuple(range(20)) for plan in plans[3:])


def test_sizes_and_orders_of_shuffled_sets_depend_on_the_seed_alone() -> None:
    assert plan_sets(20, 9, 4, 4, 0) == plan_sets(20, 9, 4, 4, 0)
    assert plan_sets(20, 9, 4, 4, 0) != plan_sets(20, 9, 4, 4, 1)
    # More sets do not change those that are there.
    assert plan_sets(20, 12, 4, 4, 0)[:9] == plan_sets(20, 9, 4, 4, 0)
    assert len({plan.n_bootstrapped for plan in plan_sets(20, 30, 4, 4, 0)[3:]}) == 4


def test_sets_that_are_switched_off_are_left_out() -> None:
    assert [plan.kind for plan in plan_sets(20, 4, 2, 0, 0)] == ["zero_shot", "unshuffled", "shuffled", "shuffled"]
    assert [plan.kind for plan in plan_sets(20, 4, 0, 4, 0)] == ["zero_shot"] + ["labels_only"] * 3
    assert [plan.kind for plan in plan_sets(20, 4, 0, 0, 0)] == ["zero_shot"]
    assert [plan.kind for plan in plan_sets(20, 1, 4, 4, 0)] == ["zero_shot"]


def test_every_other_set_may_be_of_labels_alone() -> None:
    kinds = [plan.kind for plan in plan_sets(20, 7, 4, 4, 0, alternate=True)]
    labels = ["labels_only"]
    assert kinds == ["zero_shot", *labels, "unshuffled", *labels, "shuffled", *labels, "shuffled"]
    assert "labels_only" not in [plan.kind for plan in plan_sets(20, 7, 4, 0, 0, alternate=True)]


def trace_of(row: Example, calls: int = 1) -> tuple[TraceStep, ...]:
    return tuple(
        TraceStep(name, {"message": f"{row.inputs['message']} call {call}"}, {name: f"said {call}"})
        for name in ("queue", "tone")
        for call in range(calls)
    )


class Teacher:
    """Scores by row; answers in an order of its own."""

    def __init__(self, scores: dict[str, float | None], jitter: int | None = None, calls: int = 1) -> None:
        self.scores, self.calls = scores, calls
        self.asked: list[str] = []
        self._jitter = random.Random(jitter) if jitter is not None else None

    async def __call__(self, row: Example) -> Cell:
        self.asked.append(row.id)
        if self._jitter is not None:
            await asyncio.sleep(self._jitter.random() / 200)
        score = self.scores[row.id]
        error = ErrorClass.SERVER if score is None else None
        return Cell(CellKey(TEACHER, Split.TRAIN, row.id), score, error, trace=trace_of(row, self.calls))


def fair_scores(seed: int = 0) -> dict[str, float | None]:
    rng = random.Random(seed)
    return {row.id: rng.choice((0.0, 0.5, 1.0, 1.0, None)) for row in ROWS}


def build(teacher: Teacher, n_sets: int = 6, threshold: float = 1.0, max_labeled: int = 4) -> list[list[Arm]]:
    async def main() -> list[list[Arm]]:
        settings = SearchSettings(threshold=threshold, max_labeled=max_labeled, labels="random")
        builder = Bootstrapper(PREDICTORS, ROWS, teacher, settings, 0)
        plans = plan_sets(len(ROWS), n_sets, 3, max_labeled, 0)
        return list(await asyncio.gather(*(builder.build(plan) for plan in plans)))

    return asyncio.run(main())


def test_the_rows_run_and_the_demos_do_not_depend_on_who_answers_first() -> None:
    asked, sets = set(), []
    for jitter in (None, 1, 2, 3):
        teacher = Teacher(fair_scores(), jitter)
        sets.append(build(teacher))
        asked.add(tuple(sorted(Counter(teacher.asked).items())))
    assert sets[0] == sets[1] == sets[2] == sets[3]
    assert len(asked) == 1


def test_demos_are_traces_that_reach_the_threshold_then_labelled_rows() -> None:
    scores = fair_scores()
    by_id = {row.id: row for row in ROWS}
    for of_predictor in build(Teacher(scores)):
        for demo_set in of_predictor:
            demos = demo_set.demos
            assert len(demos) <= 4
            assert len({demo.example_id for demo in demos}) == len(demos)
            flags = [demo.augmented for demo in demos]
            assert flags == sorted(flags, reverse=True)
            for demo in demos:
                if demo.augmented:
                    assert scores[demo.example_id] == 1.0
                    assert demo.fields[demo_set.owner] == "said 0"
                else:
                    assert demo.fields[demo_set.owner] == by_id[demo.example_id].labels[demo_set.owner]
                assert set(demo.fields) == {"message", demo_set.owner}


def test_the_zero_shot_set_is_empty_and_the_labelled_one_holds_labels_alone() -> None:
    sets = build(Teacher(dict.fromkeys((row.id for row in ROWS), 1.0)))
    assert all(demo_set.demos == () for demo_set in sets[0])
    assert all(not demo.augmented for demo_set in sets[1] for demo in demo_set.demos)
    assert all(len(demo_set.demos) == 4 for demo_set in sets[1])
    first = [demo.example_id for demo in sets[2][0].demos]
    assert first[:3] == [row.id for row in ROWS[:3]]  # unshuffled: the rows as they stand


def test_one_set_holds_the_same_rows_for_every_predictor() -> None:
    for of_predictor in build(Teacher(fair_scores())):
        rows = {tuple(demo.example_id for demo in demo_set.demos) for demo_set in of_predictor}
        assert len(rows) == 1


@pytest.mark.parametrize(("threshold", "passing"), [(1.0, {1.0}), (0.5, {0.5, 1.0}), (0.0, {0.0, 0.5, 1.0})])
def test_the_threshold_decides_what_may_become_a_demo(threshold: float, passing: set[float]) -> None:
    scores = fair_scores(3)
    sets = build(Teacher(scores), n_sets=12, threshold=threshold)
    used = {
        scores[demo.example_id] for found in sets for demo_set in found for demo in demo_set.demos if demo.augmented
    }
    assert used == passing


def test_a_predictor_called_several_times_gives_one_demo_a_trace() -> None:
    sets = build(Teacher(dict.fromkeys((row.id for row in ROWS), 1.0), calls=3), n_sets=12)
    said = Counter(demo.fields["queue"] for found in sets for demo in found[0].demos if demo.augmented)
    assert set(said) == {"said 0", "said 1", "said 2"}
    assert said["said 2"] == max(said.values())
    for found in sets:
        examples = [demo.example_id for demo in found[0].demos if demo.augmented]
        assert len(examples) == len(set(examples))


def test_rows_without_an_output_of_the_predictor_are_no_labelled_demos() -> None:
    rows = make_examples(4, 1)[:4]
    assert labeled_demos(rows, ["message"], ["reasoning"]) == []
    assert [demo.fields for demo in labeled_demos(rows[:1], ["message"], ["reasoning", "tone"])] == [
        {"message": rows[0].inputs["message"], "tone": rows[0].labels["tone"]}
    ]


def test_every_trace_has_a_fate_with_its_reason() -> None:
    scores = dict(zip((row.id for row in ROWS), [1.0, 0.5, None, 1.0, 1.0, 1.0, 1.0, 1.0], strict=False))
    teacher = Teacher(scores)
    cells = [asyncio.run(teacher(row)) for row in ROWS[:8]]
    sets = [demos_arm("queue", 3, "shuffled", tuple(labeled_demos(ROWS[3:4], ["message"], ["queue"])))]

    async def main() -> list[Arm]:
        builder = Bootstrapper(PREDICTORS, ROWS[:8], teacher, SearchSettings(max_labeled=0), 0)
        return await builder.build(plan_sets(8, 2, 2, 0, 0)[1])

    sets += asyncio.run(main())
    fates = {fate["example"]: fate for fate in trace_fates(cells, sets, 1.0)}
    reasons = [fates[row.id]["reason"] for row in ROWS[:8]]
    assert reasons == [
        "kept",
        "score 0.5 is below the threshold 1",
        "no score: server",
        "kept",
        *["good, but the sets that came to it were full"] * 4,
    ]
    assert [fates[row.id]["sets"] for row in ROWS[:4]] == [[1], [], [], [1]]
    assert [fates[row.id]["kept"] for row in ROWS[:4]] == [True, False, False, True]


def test_a_run_keeps_every_trace_and_reports_it(endpoint: LoopbackEndpoint) -> None:
    life = live(make_config(endpoint, search={"trials": 0}))
    traces = [event for event in life.journal.events if event.kind == "traces"]
    assert len(traces) == 1
    teacher = [cell for cell in life.journal.cells() if cell.key.candidate == TEACHER]
    assert traces[0].data["rows"] == len(teacher) == len(traces[0].data["traces"])
    assert all(cell.trace for cell in teacher)
    kept = {fate["example"] for fate in traces[0].data["traces"] if fate["kept"]}
    demos = [demo for demo_set in demo_sets_of(life.journal) for demo in demo_set.demos]
    in_sets = {demo.example_id for demo in demos if demo.augmented}
    assert kept == in_sets


def test_a_plan_may_fill_its_set_up_to_fewer_demos_than_the_settings() -> None:
    plan = plan_sets(len(ROWS), 2, 4, 6, 0)[1]
    builder = Bootstrapper(PREDICTORS, ROWS, Teacher({}), SearchSettings(max_labeled=6), 0)
    assert {len(one.demos) for one in builder.finish(plan, [])} == {6}
    assert {len(one.demos) for one in builder.finish(replace(plan, most=4), [])} == {4}


def test_a_run_whose_traces_all_fall_short_says_so(endpoint: LoopbackEndpoint) -> None:
    life = live(make_config(endpoint, search={"trials": 0, "threshold": 1.5}))
    warnings = [event.data["text"] for event in life.journal.events if event.kind == "warning"]
    assert any("No trace reached the threshold 1.5" in text for text in warnings)
    assert not any(demo.augmented for found in demo_sets_of(life.journal) for demo in found.demos)


def test_the_teacher_is_shown_labelled_demos_but_never_the_row_itself(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(keep_requests=True)
    live(make_config(endpoint, search={"trials": 0}))
    asked = [entry["body"]["messages"] for entry in endpoint.requests() if entry["model"] == "teacher"]
    assert asked
    for messages in asked:
        *demos, question = [message["content"] for message in messages if message["role"] == "user"]
        assert 3 <= len(demos) <= 4
        row = question.split("[[ ## message ## ]]\n")[1].split("\n")[0]
        assert not any(row in demo for demo in demos)


def test_a_program_with_demos_of_its_own_is_its_own_teacher(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(keep_requests=True)
    config = make_config(
        endpoint, program=f"{MORE}:Demonstrated", metric=f"{MORE}:queue_metric", search={"trials": 0}
    )
    life = live(config, fresh_journal())
    asked = [entry["body"]["messages"] for entry in endpoint.requests() if entry["model"] == "teacher"]
    assert asked
    for messages in asked:
        demos = [message["content"] for message in messages if message["role"] == "user"][:-1]
        assert len(demos) == 1 and "my own demo" in demos[0]
    seed = next(found for found in demo_sets_of(life.journal) if found.index == 0)
    assert made_how(seed) == "seed"
    assert seed.demos[0].fields == {"message": "my own demo", "queue": "shipping"}
