"""A landscape of contents: a model behind an endpoint whose answers depend on what stands in its prompt.

It is made to share nothing with the item-response model. A row belongs to one of eight kinds; a demo helps the rows
of its own kind (a little those of a related one) and no others, if what it shows is right; a wrong one harms all. The
best demo counts, not their sum; an instruction fills what the demos leave open; and the program is right only where
all predictors are, each hardly ever after a wrong one. Nothing of this is additive in logits, and which rows
a set helps differs from set to set. Each answer is a coin of its own, thrown once for what the prompt says.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mipro_studio.benchmarks.contents.program import CHAINS, QUEUES, SEEDS
from mipro_studio.benchmarks.contents.writer import Writer, quality
from tests.loopback.config import LoopbackConfig
from tests.loopback.hashing import digest, unit
from tests.loopback.promptformat import DspyPrompt, parse_prompt, render_reply
from tests.loopback.responders import Oracle

__all__ = ["FLOORS", "Asked", "Contents", "Row", "Shown"]

FLOORS = {"80": 0.90, "25": 0.50, "5": 0.22, "1": 0.08}
"""Chance of one of two predictors to be right with the seed's prompt: both are on 80, 25, 5 and below 1 % of rows."""
KINDS = 8
RELATED = 0.3
LAST = 0.12
"""What a helpful demo adds where it stands last."""
HELP, INSTRUCTED = 0.75, 0.5
HARM = 0.5
"""Share of the help that is lost where all demos are wrong."""
AFTER_WRONG = 0.1
_SECTION = re.compile(r"\[\[ ## (\w+) ## \]\]\n(.*?)(?=\n\n\[\[ ## |\Z)", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """A message, what it is about, and where it goes."""

    message: str
    kind: int
    gist: str
    queue: str
    hard: bool

    def right(self, name: str) -> str:
        """What the predictor that puts out `name` should say."""
        return self.queue if name == "queue" else name + self.gist.removeprefix("gist")


@dataclass(frozen=True)
class Shown:
    """A demo: a row, what it answers, and what the predictor before said, if there is one (`gist`)."""

    row: Row
    said: str
    gist: str


@dataclass(frozen=True)
class Asked:
    """One call: what the prompt says of predictor `name` ("gist" or "queue", as its output is called).

    Attributes:
        gist: What the predictor before said; nothing for the first.
    """

    name: str
    instruction: str
    demos: tuple[Shown, ...]
    row: Row
    gist: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """All of it; the same for the same prompt."""
        demos = "\x1e".join(f"{one.row.message}\x1f{one.gist}\x1f{one.said}" for one in self.demos)
        return self.name, " ".join(self.instruction.split()), demos, self.row.message, self.gist.strip()

    @cached_property
    def shown(self) -> list[tuple[Row, bool]]:
        """The row of each demo, and whether what it shows is right."""
        return [(one.row, one.said == one.row.right(self.name)) for one in self.demos]


class Contents:
    """The rows of a landscape and the model that answers on them; `responder` for the loopback endpoint.

    Args:
        level: Key of `FLOORS`.
        skill: How often the prompt model mends an instruction, see `contents.writer`; None = it writes at random.
        predictors: Key of `program.CHAINS`; the more there are, the more each is right, so that `level` stays.

    Attributes:
        program_runs: Calls of the first predictor so far, of which every program run makes one.
    """

    def __init__(
        self, level: str, seed: int, n_rows: int = 580, skill: float | None = None, predictors: int = 2
    ) -> None:
        self.chain = CHAINS[predictors]
        self._floor = float(FLOORS[level] ** (2 / predictors))
        self._seed = seed
        rng = random.Random(f"contents {seed}")
        words = [f"{a}{b}" for a in ("ka", "lo", "mi", "ru", "te", "so") for b in ("ran", "bel", "dus", "fin", "gor")]
        self.rows = []
        for number in range(n_rows):
            kind = rng.randrange(KINDS)
            text = f"Message {number}: {' '.join(rng.choices(words, k=7))}."
            queue = QUEUES[(kind + (rng.random() < 0.2)) % len(QUEUES)]
            self.rows.append(Row(text, kind, f"gist {kind} {rng.choice(words)}", queue, rng.random() < 0.25))
        self._by_message = {row.message: row for row in self.rows}
        self._other = Oracle(LoopbackConfig(seed=seed))
        self._writer = None if skill is None else Writer(seed, skill)
        self.program_runs = 0

    def respond(self, messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
        """The reply; what is no call of the program's predictors is the prompt model's."""
        prompt = parse_prompt(messages)
        row = self.row_of(prompt.inputs.get("message", "")) if prompt else None
        name = next((name for name in self.chain if prompt and name in prompt.outputs), None)
        if prompt is None or row is None or name is None:
            written = self._writer.respond(messages) if self._writer else None
            return self._other(messages, body) if written is None else written
        before = prompt.inputs.get(self.before(name), "")
        asked = Asked(name, prompt.instruction, tuple(self._demos(prompt, name)), row, before)
        if name == self.chain[0]:
            self.program_runs += 1
        return render_reply(prompt, {name: self.answer(asked)})

    def answer(self, asked: "Asked") -> str:
        """What the model says."""
        name, row = asked.name, asked.row
        if unit(digest(self._seed, "coin", *asked.words)) < self.chance(asked):
            return row.right(name)
        if name != "queue":
            return f"{name} of {row.message[:12].strip()}"
        wrong = [queue for queue in QUEUES if queue != row.queue]
        return wrong[int(unit(digest(self._seed, "wrong", *asked.words)) * len(wrong))]

    def chance(self, asked: "Asked") -> float:
        """The probability that the answer is right."""
        row, shown = asked.row, asked.shown
        helpful = [self._likeness(demo, row) for demo, right in shown if right]
        help_ = HELP * max(helpful, default=0.0)
        if shown and shown[-1][1] and shown[-1][0].kind == row.kind:
            help_ += LAST
        if shown:
            help_ *= 1 - HARM * sum(not right for _, right in shown) / len(shown)
        told = INSTRUCTED * self._instruction(asked.instruction, asked.name)
        chance = self._floor + (1 - self._floor) * (1 - (1 - help_) * (1 - told)) * (0.7 if row.hard else 1.0)
        before = self.before(asked.name)
        wrong_before = before != asked.name and asked.gist.strip() != row.right(before)
        return chance * (AFTER_WRONG if wrong_before else 1.0)

    def _instruction(self, text: str, name: str) -> float:
        """How good an instruction is: 0 for the seed's, most are worth little, few a lot."""
        if self._writer is not None:
            return quality(text, name)
        words = " ".join(text.split())
        if words in SEEDS.values():
            return 0.0
        return unit(digest(self._seed, "instruction", name, words)) ** 3

    def _likeness(self, demo: Row, row: Row) -> float:
        if demo.kind == row.kind:
            return 1.0
        return RELATED if demo.kind // 2 == row.kind // 2 else 0.0

    def before(self, name: str) -> str:
        """What the predictor before puts out; for the first its own output."""
        return self.chain[max(self.chain.index(name) - 1, 0)]

    def row_of(self, message: str) -> Row | None:
        """The row with this message."""
        return self._by_message.get(message.strip())

    def _demos(self, prompt: DspyPrompt, name: str) -> Iterator["Shown"]:
        """What the prompt shows for `name`, in its order."""
        texts = prompt.demos.split("\x1e")
        for asked, said in zip(texts[::2], texts[1::2], strict=False):
            fields = {key: value.strip() for key, value in _SECTION.findall(f"{asked}\n\n{said}")}
            row = self.row_of(fields.get("message", ""))
            if row is not None and name in fields:
                yield Shown(row, fields[name], fields.get(self.before(name), ""))
