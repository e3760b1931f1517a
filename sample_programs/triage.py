"""Support triage: which queue does a message go to, and in what tone is it written?

Two predictors answer from the same message: ``queue`` and ``tone``. Their seed instructions are the
one-sentence docstrings a practitioner writes on the first day; nothing in them is made worse on purpose.

All messages were written by hand for this sample, none is taken from a real customer: 324 of them, 27 for
each pair of queue and tone. They were labelled by the following rules.

Queues (the desk that has to act on what is *asked*):

- ``payment``: money and its papers: prices, charges, refunds, invoices, vouchers, subscriptions and plans.
- ``technical``: a product, app or API does not work as it should, or how to set it up and use it.
- ``delivery``: a parcel on its way: date, place, courier, customs, and the state, number and kind of
  things on arrival, with the returns and replacements that follow from it.
- ``account``: who someone is to the company and what they may do: login, password, profile data, users and
  rights, closing an account, privacy and newsletters.

Tie-breaks between queues: what is asked for counts, not what is told on the way (a parcel that never came
and "give me my money back" is ``payment``; "where is my parcel" is ``delivery``). Broken on arrival is
``delivery``, broken in use ``technical``. Being refused at login is ``account``, an error page after a
correct login ``technical``. Ending a subscription is ``payment``, deleting the account ``account``.

Tones (the feeling that is *written*, not the one the case would justify):

- ``positive``: thanks for something done, praise, or delight.
- ``neutral``: a question, request or report without a word of feeling; "please" and "kindly" are manners.
- ``negative``: annoyance, disappointment, anger, sarcasm or a threat.

Tie-break between tones: where two feelings are written, the one about the matter at hand counts (past
trouble that is now solved with thanks is ``positive``). A fault reported soberly stays ``neutral``.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import dspy

from mipro_studio.sample_programs.catalog import TRIAGE as SAMPLE

__all__ = ["SAMPLE", "AssignQueue", "JudgeTone", "Triage", "metric", "program"]

_PREDICTORS: Final = ("queue", "tone")


class AssignQueue(dspy.Signature):  # type: ignore[misc]
    """Decide which support queue should handle the message."""

    message: str = dspy.InputField()
    queue: Literal["payment", "technical", "delivery", "account"] = dspy.OutputField()


class JudgeTone(dspy.Signature):  # type: ignore[misc]
    """Decide the tone of the message."""

    message: str = dspy.InputField()
    tone: Literal["positive", "neutral", "negative"] = dspy.OutputField()


class Triage(dspy.Module):  # type: ignore[misc]
    """Two predictors, ``queue`` and ``tone``, that do not see each other's answer."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = dspy.Predict(AssignQueue)
        self.tone = dspy.Predict(JudgeTone)

    def forward(self, message: str) -> dspy.Prediction:
        return dspy.Prediction(
            queue=self.queue(message=message).queue,
            tone=self.tone(message=message).tone,
        )


program = Triage


def metric(example: Any, pred: Any, trace: Any = None) -> float:
    """The share of right answers among queue and tone: 0, 0.5 or 1.

    While demos are collected (DSPy then passes a trace) half a point is none: a run kept as a worked
    example brings both answers along, and the wrong one would be taught.
    """
    right = sum(bool(getattr(pred, name, None) == example[name]) for name in _PREDICTORS)
    if trace is not None:
        return float(right == len(_PREDICTORS))
    return right / len(_PREDICTORS)
