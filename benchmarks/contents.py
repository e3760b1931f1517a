"""A landscape of contents: a model behind an endpoint whose answers depend on what stands in its prompt.

It is made to share nothing with the item-response model. A row belongs to one of eight kinds; a demo helps the rows
of its own kind (a little those of a related one) and no others, if what it shows is right; a wrong one harms all. The
best demo counts, not their sum; an instruction fills what the demos leave open; and the program is right only where
both predictors are, the second hardly ever after a wrong first. Nothing of this is additive in logits, and which rows
a set helps differs from set to set. Each answer is a coin of its own, thrown once for a prompt.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mipro_studio.benchmarks.contents_program import QUEUES
from tests.loopback.config import LoopbackConfig
from tests.loopback.hashing import digest, prompt_text, unit
from tests.loopback.promptformat import DspyPrompt, parse_prompt, render_reply
from tests.loopback.responders import Oracle

__all__ = ["FLOORS", "Contents", "Row"]

FLOORS = {"25": 0.50, "5": 0.22, "1": 0.08}
"""Chance of one predictor to be right with the seed's prompt, so that both are on 25, 5 and below 1 % of rows."""
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


class Contents:
    """The rows of a landscape and the model that answers on them; `responder` for the loopback endpoint.

    Args:
        level: Key of `FLOORS`.

    Attributes:
        program_runs: Calls of the first predictor so far, of which every program run makes one.
    """

    def __init__(self, level: str, seed: int, n_rows: int = 580) -> None:
        self._floor = FLOORS[level]
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
        self.program_runs = 0

    def respond(self, messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
        """The reply; what is no call of the program's predictors is the prompt model's, which writes at random."""
        prompt = parse_prompt(messages)
        row = self._by_message.get(prompt.inputs.get("message", "").strip()) if prompt else None
        name = next((name for name in ("gist", "queue") if prompt and name in prompt.outputs), None)
        if prompt is None or row is None or name is None:
            return self._other(messages, body)
        right = unit(digest(self._seed, "coin", name, prompt_text(messages))) < self._chance(prompt, row, name)
        if name == "gist":
            self.program_runs += 1
            return render_reply(prompt, {"gist": row.gist if right else f"gist of {row.message[:12]}"})
        wrong = [queue for queue in QUEUES if queue != row.queue]
        pick = wrong[int(unit(digest(self._seed, "wrong", prompt_text(messages))) * len(wrong))]
        return render_reply(prompt, {"queue": row.queue if right else pick})

    def _chance(self, prompt: DspyPrompt, row: Row, name: str) -> float:
        shown = self._shown(prompt, name)
        helpful = [self._likeness(demo, row) for demo, right in shown if right]
        help_ = HELP * max(helpful, default=0.0)
        if shown and shown[-1][1] and shown[-1][0].kind == row.kind:
            help_ += LAST
        if shown:
            help_ *= 1 - HARM * sum(not right for _, right in shown) / len(shown)
        told = INSTRUCTED * self._instruction(prompt.instruction, name)
        chance = self._floor + (1 - self._floor) * (1 - (1 - help_) * (1 - told)) * (0.7 if row.hard else 1.0)
        wrong_before = name == "queue" and prompt.inputs.get("gist", "").strip() != row.gist
        return chance * (AFTER_WRONG if wrong_before else 1.0)

    def _instruction(self, text: str, name: str) -> float:
        """How good an instruction is: 0 for the seed's, most are worth little, few a lot."""
        if text.strip() in ("Name the gist.", "Find the queue."):
            return 0.0
        return unit(digest(self._seed, "instruction", name, text)) ** 3

    def _likeness(self, demo: Row, row: Row) -> float:
        if demo.kind == row.kind:
            return 1.0
        return RELATED if demo.kind // 2 == row.kind // 2 else 0.0

    def _shown(self, prompt: DspyPrompt, name: str) -> list[tuple[Row, bool]]:
        """The demos in order: the row of each, and whether what it shows for `name` is right."""
        texts = prompt.demos.split("\x1e")
        found = []
        for asked, said in zip(texts[::2], texts[1::2], strict=False):
            fields: Mapping[str, str] = {key: value.strip() for key, value in _SECTION.findall(f"{asked}\n\n{said}")}
            row = self._by_message.get(fields.get("message", ""))
            if row is not None and name in fields:
                found.append((row, fields[name] == (row.gist if name == "gist" else row.queue)))
        return found
