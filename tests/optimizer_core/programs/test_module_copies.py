"""Copies of programs: what must be apart is apart, what cannot be copied is shared."""

import functools
import sqlite3
import threading
from typing import Any

import dspy
import numpy
import pytest
from dspy.utils.callback import BaseCallback

from mipro_studio.optimizer_core.programs.module_copies import copy_module


class Inner(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.step = dspy.Predict("a -> b")
        self.lock = threading.Lock()


class Everything(dspy.Module):
    def __init__(self, stuck: Any = None) -> None:
        super().__init__()
        self.first = dspy.Predict("a -> b")
        self.again = self.first
        self.many = [dspy.ChainOfThought("a -> b"), dspy.Predict("c -> d")]
        self.named = {"x": dspy.Predict("a -> b"), "inner": Inner() if stuck else dspy.Predict("a -> b")}
        self.pair = (dspy.Predict("e -> f"), stuck)
        self.memory = {"seen": []}
        self.stuck = stuck
        self.many[0].set_lm(dspy.LM("openai/strong", api_key="k"))


STUCK = {
    "nothing": lambda: None,
    "a lock": threading.Lock,
    "a database": lambda: sqlite3.connect(":memory:"),
    "a generator": lambda: (n for n in ()),
    "an index": lambda: dspy.retrievers.Embeddings(["a"], embedder=lambda texts: numpy.zeros((len(texts), 2))),
}


@pytest.mark.parametrize("stuck", STUCK)
def test_a_copy_has_predictors_of_its_own_under_the_same_names(stuck: str) -> None:
    seed = Everything(STUCK[stuck]())
    made, other = copy_module(seed), copy_module(seed)
    names = [name for name, _ in seed.named_predictors()]
    assert [name for name, _ in made.named_predictors()] == names
    for mine, theirs in zip(made.predictors(), [*seed.predictors()], strict=True):
        assert mine is not theirs
        mine.demos = [dspy.Example(a="1")]
        mine.signature = mine.signature.with_instructions("changed")
    assert all(not one.demos for program in (seed, other) for one in program.predictors())
    assert all(one.signature.instructions != "changed" for one in seed.predictors())
    assert made.again is made.first
    made.memory["seen"].append(1)
    assert seed.memory == {"seen": []}


def test_models_are_the_same_and_locks_are_shared() -> None:
    seed = Everything(threading.Lock())
    made = copy_module(seed)
    assert made.many[0].predict.lm is seed.many[0].predict.lm
    assert made.stuck is seed.stuck
    assert made.pair[1] is seed.stuck
    assert made.named["inner"].lock is seed.named["inner"].lock


def test_callbacks_of_modules_are_kept_and_histories_are_not() -> None:
    for stuck in (None, threading.Lock()):
        seed = Everything(stuck)
        heard = BaseCallback()
        seed.callbacks = [heard]
        seed.first.callbacks = [heard]
        seed.history = [{"model": "x"}]
        made = copy_module(seed)
        assert made.callbacks == [heard]
        assert made.first.callbacks == [heard]
        assert made.callbacks is not seed.callbacks
        assert made.history == []


class Delegating(dspy.Module):
    """An agent with tools that were made around it, in the ways that people make them."""

    def __init__(self) -> None:
        super().__init__()
        self.expert = dspy.Predict("question -> notes")
        asked = 0

        def ask(question: str) -> Any:
            """Ask the expert."""
            nonlocal asked
            asked += 1
            return self.expert

        def twice(question: str, *, more: str = "x") -> Any:
            return ask(question + more)

        expert, by_method = self.expert, self.by_method

        def count() -> int:
            return asked

        self.agent = dspy.ReAct("question -> answer", tools=[ask, twice])
        self.others = {"part": lambda: expert, "method": lambda: by_method(), "partial": functools.partial(ask, "q")}
        self.count = count
        self.plain = len

    def by_method(self) -> Any:
        return self.expert


@pytest.mark.parametrize("stuck", [False, True], ids=["copied at once", "copied part by part"])
def test_functions_made_around_a_program_ask_the_copy(stuck: bool) -> None:
    seed = Delegating()
    if stuck:
        seed.lock = threading.Lock()
    made = copy_module(copy_module(seed))
    tools = {name: tool.func for name, tool in made.agent.tools.items()}
    asked = [tools["ask"]("q"), tools["twice"]("q"), *(one() for one in made.others.values())]
    assert all(one is made.expert for one in asked)
    assert made.expert is not seed.expert and seed.others["part"]() is seed.expert
    assert (made.count(), seed.count()) == (3, 3)  # what they count together stays one number
    assert made.agent.tools["ask"].desc == "Ask the expert."
    assert tools["twice"].__kwdefaults__ == {"more": "x"} and tools["twice"].__name__ == "twice"
