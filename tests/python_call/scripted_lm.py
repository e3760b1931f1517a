"""A model of the caller's own, in plain DSPy: it sorts parity right when it is shown enough worked examples."""

import re
import threading
import time
from typing import Any

import dspy
from dspy import lm15

__all__ = ["Sorter", "rows", "sorter"]


class Sorter:
    """Says whether a number is even; with fewer than two demos in the prompt it says `odd` whatever the number.

    Asked for anything else, as a prompt model is, it answers every field with the same text.
    """

    def __init__(self, delay_s: float = 0.0) -> None:
        self.asked = 0
        self._delay_s = delay_s
        self._lock = threading.Lock()

    def complete(self, request: lm15.Request) -> lm15.Response:
        with self._lock:
            self.asked += 1
        time.sleep(self._delay_s)
        texts = ["".join(getattr(part, "text", "") for part in message.parts) for message in request.messages]
        demos = sum(message.role == "assistant" for message in request.messages)
        return lm15.Response(
            id=None,
            model=request.model,
            message=lm15.Message.assistant([lm15.TextPart(self._answer(texts[-1], demos))]),
            finish_reason="stop",
            usage=lm15.Usage(input_tokens=10, output_tokens=5),
        )

    def _answer(self, asked: str, demos: int) -> str:
        number = re.search(r"\[\[ ## number ## \]\]\s*(\d+)", asked)
        if number is None:
            fields = re.findall(r"\[\[ ## (\w+) ## \]\]", asked.partition("Respond with")[2])
            written = [name for name in fields if name != "completed"] or ["answer"]
            return "".join(f"[[ ## {name} ## ]]\nLook at the last digit.\n\n" for name in written)
        parity = "even" if int(number[1]) % 2 == 0 and demos >= 2 else "odd"
        return f"[[ ## parity ## ]]\n{parity}\n\n[[ ## completed ## ]]"

    def __deepcopy__(self, memo: dict[int, Any]) -> "Sorter":
        return self


def sorter(engine: Sorter | None = None, **settings: Any) -> dspy.LM:
    """The model, as people write one since DSPy 3.4."""
    return dspy.LM("openai/sorter", engine=engine or Sorter(), cache=False, **settings)


def rows(n: int, start: int = 0) -> list[dspy.Example]:
    """Numbers with their parity, half of them even."""
    return [
        dspy.Example(number=i, parity="even" if i % 2 == 0 else "odd").with_inputs("number")
        for i in range(start, start + n)
    ]
