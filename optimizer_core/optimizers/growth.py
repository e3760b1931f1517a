"""Arms made during the search of what it has learned: with parents, a hypothesis, evidence and their cost."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mipro_studio.optimizer_core.evaluation.attempts import best_attempts
from mipro_studio.optimizer_core.evaluation.cell_request import CellRequest
from mipro_studio.optimizer_core.evaluation.program_run import Purpose
from mipro_studio.optimizer_core.optimizers.base import View
from mipro_studio.optimizer_core.optimizers.bootstrapping import BOOTSTRAP_PRIORITY
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.edits import next_index
from mipro_studio.optimizer_core.programs.program import PredictorInfo
from mipro_studio.optimizer_core.proposers.bootstrap import Bootstrapper
from mipro_studio.optimizer_core.proposers.labels import labeled_demos
from mipro_studio.optimizer_core.proposers.reflecting import copied, evidence_text, reflected
from mipro_studio.optimizer_core.proposers.teaching import drop_equal_sets, nobody
from mipro_studio.optimizer_core.search.composing import COMPOSED, Workshop, compose
from mipro_studio.optimizer_core.search.surrogates.base import by_candidate
from mipro_studio.optimizer_core.search.surrogates.credit import with_credit
from mipro_studio.optimizer_core.search.surrogates.laplace import fit
from mipro_studio.optimizer_core.search.surrogates.posterior import MAIN, Posterior
from mipro_studio.optimizer_core.seeds import generator
from mipro_studio.optimizer_core.types import (
    DEMOS,
    INSTRUCTION,
    TEACHER,
    Arm,
    Candidate,
    Cell,
    CellKey,
    Demo,
    Role,
    Split,
)

__all__ = ["MADE_AT", "Growth"]

EVERY, FIRST = 12, 18
"""Suggestions between two times that arms are made, and before the first: there must be something learned."""
AHEAD = 6
"""Suggestions that the making goes on beside: what begins before suggestion n can be tried from n + AHEAD on."""
LATE = 0.85
"""Share of the search after which no arm is taken up: it could not be tried often enough any more."""
LESSONS = 8
"""Training rows that the leader is run on each time."""
LIKELY = 0.4
"""Least chance of a composed set to be better than the best there is."""
TRIES = 2
"""Children that may be no better than their parents before no more are asked for."""
IN_SEARCH = 1000
"""Teacher runs of suggestion n have the rollout IN_SEARCH + n."""
MADE_AT = "made_at"
"""Key in an arm's provenance: the suggestion before which its making began."""


class Growth:
    """Makes arms during the search: the leader teaches rows that nobody solved, sets are composed of all traces and
    labels there are, and the prompt model is shown what the leader got wrong.

    The model calls of it go on beside the trials. When it begins and when its arms come in is a matter of
    suggestions and not of time, and all of it depends on the arms and on what these suggestions may know, so a
    resumed run makes the same.

    Args:
        view: What the suggestion before which it begins may know.
    """

    def __init__(self, context: RunContext, view: View) -> None:
        self._context = context
        self._number = view.number
        self._room = view.room
        self._seed = view.seed
        self._seen = [
            one for one in by_candidate(view.observed).values() if one.scores and context.allows(one.candidate)
        ]
        self._lessons: Sequence[asyncio.Task[Cell]] = ()
        self._written: list[asyncio.Task[Arm]] = []

    @staticmethod
    def due(view: View, most: int) -> bool:
        """Whether making arms begins before this suggestion.

        Args:
            most: Times that arms are made in one run.
        """
        turn = view.number - FIRST
        in_time = view.progress * (view.number + AHEAD) < LATE * view.number
        return turn >= 0 and turn % EVERY == 0 and turn // EVERY < most and in_time

    def over(self, view: View) -> bool:
        """Whether the arms come in before this suggestion."""
        return view.number >= self._number + AHEAD

    async def begin(self) -> None:
        """Ask for what takes model calls; nothing where the arms of this suggestion are there already."""
        there = any(arm.provenance.get(MADE_AT) == self._number for arm in self._context.arms.everything())
        if there or len(self._seen) < 2:
            return
        posterior = await asyncio.to_thread(fit, *with_credit(self._seen), features=self._context.space.features)
        if posterior is None or not posterior.converged:
            return
        leader = self._seen[int(posterior.mode[: len(self._seen)].argmax())].candidate
        self._lessons = [asyncio.create_task(self._context.evaluator.cell(one)) for one in self._wanted(leader)]
        for info in self._context.free:
            parent = self._parent(info, leader, posterior)
            if parent is not None:
                self._written.append(asyncio.create_task(self._instruction(info, parent)))
        for task in (*self._lessons, *self._written):
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen even if never awaited
        await asyncio.sleep(0)  # the tasks ask for their cells before anything else is counted

    async def finish(self, view: View) -> None:
        """Wait for what was begun, and add the arms.

        Args:
            view: What the suggestion may know that can be the first to try them.
        """
        if not self._lessons:
            return
        for lesson in self._lessons:
            await lesson
        written = [await task for task in self._written]
        found = await asyncio.to_thread(
            lambda: [one for info in self._context.free if (one := self._demo_set(info, view)) is not None]
        )
        numbered = [replace(arm, index=next_index(self._context.arms.instructions[arm.owner])) for arm in written]
        await self._context.add_made(numbered, drop_equal_sets(found, self._all_sets()))
        await self._context.bootstrapping.report_traces(
            again=True
        )  # the leader may have solved rows that the teacher did not

    def _all_sets(self) -> list[Arm]:
        return [arm for of_name in self._context.arms.demo_sets.values() for arm in of_name.values()]

    def _wanted(self, leader: Candidate) -> list[CellRequest]:
        """Runs of the leader on training rows that no teacher passed, else on some of the others."""
        context, rollout = self._context, IN_SEARCH + self._number
        rows = list(context.examples[Split.TRAIN])
        generator(self._seed, "lessons").shuffle(rows)
        contents = context.arms.contents(leader)
        shown = {demo.example_id for arm in context.arms.chosen(leader) if arm.kind == DEMOS for demo in arm.demos}
        passed = {cell.key.example for cell in self._passed(rollout)}
        open_ = [row for row in rows if row.id not in shown]
        chosen = sorted(open_, key=lambda row: row.id in passed)[:LESSONS]
        if self._room is not None and self._room < len(chosen) + len(context.examples[Split.VAL]):
            return []
        return [
            CellRequest(
                CellKey(TEACHER, Split.TRAIN, row.id, rollout),
                contents,
                row,
                Role.TASK,
                Purpose.BOOTSTRAP,
                BOOTSTRAP_PRIORITY,
            )
            for row in chosen
        ]

    def _passed(self, before: int = IN_SEARCH * 1000) -> list[Cell]:
        """Traces that may be demos, the best of every row, of teacher runs before this rollout."""
        runs = [
            one for one in self._context.table.cells() if one.key.candidate == TEACHER and one.key.rollout < before
        ]
        threshold = self._context.config.search.threshold
        best = best_attempts(sorted(runs, key=lambda one: (one.key.example, one.key.rollout)))
        return [one for one in best if one.score is not None and one.score >= threshold]

    def _demo_set(self, info: PredictorInfo, view: View) -> Arm | None:
        """A composed set for one predictor, if it is likely to be better or there are few."""
        context, settings = self._context, self._context.config.search
        size = max(settings.max_labeled, settings.max_bootstrapped)
        if DEMOS not in context.searches or not size:
            return None
        sets = [arm for _, arm in sorted(context.arms.demo_sets[info.name].items())]
        place = context.arms.names.index(info.name)
        pool = self._pool(info) if size else []
        shop = Workshop(place, info.name, info.outputs, sets, pool, size, context.space.features, context.row_classes)
        found = compose(shop, view.observed, self._seed)
        few = sum(one.active for one in sets) < settings.candidates
        if found is None or not (few or found.chance >= LIKELY):
            return None
        facts = {
            MADE_AT: self._number,
            "author": "search",
            "parents": list(found.parents),
            "hypothesis": "a set of these demos is better than the best there is",
            "evidence": {
                "chance": round(found.chance, 3),
                "gain_logits": round(found.gain, 3),
                "cells": sum(one.n for one in by_candidate(view.observed).values()),
            },
        }
        return demos_arm(info.name, next_index(context.arms.demo_sets[info.name]), COMPOSED, found.demos, facts)

    def _pool(self, info: PredictorInfo) -> list[Demo]:
        """Every trace that passed, as a demo, and labelled rows."""
        context, settings = self._context, self._context.config.search
        rows = context.examples[Split.TRAIN]
        fields = {info.name: (info.inputs, info.outputs)}
        maker = Bootstrapper(fields, rows, nobody, settings, context.config.seed)
        traced = [demo for cell in self._passed() for demo in maker.traced(info.name, cell)]
        return [*traced, *(labeled_demos(rows, info.inputs, info.outputs) if settings.max_labeled else [])]

    def _parent(self, info: PredictorInfo, leader: Candidate, posterior: Posterior) -> Arm | None:
        """The leader's instruction, where it should have a child: as long as children are better now and then."""
        of_name = self._context.arms.instructions[info.name]
        place = self._context.arms.names.index(info.name)
        searched = INSTRUCTION in self._context.searches
        if not searched or not self._lessons or self._hopeless(of_name, place, posterior):
            return None
        return of_name[leader.arm(place, INSTRUCTION)]

    async def _instruction(self, info: PredictorInfo, parent: Arm) -> Arm:
        """A child of `parent`, written when the lessons are there. Its index is given when it comes in."""
        context = self._context
        told = [await lesson for lesson in self._lessons]
        asked = (evidence_text(told, info.name), context.config.proposer.hint, context.config.proposer.temperature)
        key = f"reflect/{info.name}/{self._number}"
        child = await reflected(context.proposer.prompter, key, info, parent, parent.index + 1, asked)
        rows = [row for split in (Split.TRAIN, Split.VAL) for row in context.examples[split]]
        copy = copied(child.text, rows)
        facts = {
            **child.provenance,
            MADE_AT: self._number,
            "evidence": {"rows": [one.key.example for one in told]},
        }
        reason = child.reason or (f"it copies a row: {copy!r}" if copy else "")
        return replace(child, provenance=facts, active=not reason, reason=reason)

    def _hopeless(self, of_name: Mapping[int, Arm], place: int, posterior: Posterior) -> bool:
        """Whether children were tried and none is better than its parent, on what is known."""
        worth: dict[int, float] = {}
        _, effects = posterior.draw(np.random.default_rng(0), 1, heat=0)
        for family, found in zip(posterior.families, effects, strict=True):
            if (family.effect, family.letters, family.place) == (MAIN, INSTRUCTION[0], place):
                for code, value in zip(family.codes, found[:, 0].tolist(), strict=True):
                    worth[code[0]] = worth.get(code[0], 0.0) + value
        tried = {one.candidate.arm(place, INSTRUCTION) for one in self._seen}
        made = [arm for arm in of_name.values() if MADE_AT in arm.provenance]
        children = [arm for arm in made if arm.index in tried]
        better = [
            arm for arm in children if worth.get(arm.index, 0.0) > worth.get(int(arm.provenance["parents"][0]), 0.0)
        ]
        failed = [arm for arm in made if not arm.active]
        return len(children) + len(failed) >= TRIES and not better
