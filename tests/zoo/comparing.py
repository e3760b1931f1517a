"""Where the studio and plain DSPy differ on a program of the zoo: {check: what was seen}, empty when they agree."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.zoo.catalog import TRAIN, VAL
from tests.zoo.wire import subject

__all__ = ["differences"]

Request = Mapping[str, Any]
ROLES = ("gpt-4o-mini", "gpt-4.1-mini")
SHOWN = 300
IN_INSTRUCTION = re.compile(r"\s*Task examples \(labels or evidence\):\n.*")
"""Where DSPy puts demos of a predictor that puts out a decision."""


def differences(studio: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, str]:
    """The checks that failed.

    runs: the studio refused the program, or failed, or plain DSPy could not take home what it made.
    scores: the baseline's score of a row, or its mean, is not the one that `dspy.Evaluate` gives.
    messages: requests about validation rows are not those of the same programs in plain DSPy.
    teacher: BootstrapFewShot's requests are not among those of the studio's bootstrap.
    demos: the bootstrapped rows are not those that BootstrapFewShot takes.
    answers: what a cell shows as the prediction is not what the program predicted.
    export: the loaded program asks or answers otherwise than the program with the same demos.
    """
    ended = (
        studio.get("refused") or studio.get("crash") or ("" if studio["status"] == "completed" else studio["reason"])
    )
    if ended or "crash" in plain:
        return {"runs": ended or plain["crash"]}
    assert plain["ours"] == [], "plain DSPy's process has loaded something of ours"
    baseline = next(iter(studio["candidates"]))
    found = {
        "scores": _scores(studio["candidates"][baseline], plain["baseline"]) or _mean(studio, plain["baseline"]),
        "messages": _messages(studio, plain),
        "teacher": _missing(
            map(_without_demos, plain["teacher"]), map(_without_demos, _about(studio["requests"], TRAIN))
        ),
        "demos": "" if studio["rows"] == plain["rows"] else f"rows {studio['rows']}, plain DSPy {plain['rows']}",
        "answers": _answers(studio, plain),
        "export": _export(plain),
    }
    return {check: seen[:SHOWN] for check, seen in found.items() if seen}


def _scores(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    for place, (score, expected) in enumerate(zip(ours["scores"], theirs["scores"], strict=True), start=1):
        if score is None or expected is None:
            if score is not expected:
                return f"row {place}: {score} ({ours['errors'][place - 1]}), plain DSPy {expected}"
        elif abs(score - expected) > 1e-6:
            return f"row {place}: {score}, plain DSPy {expected}"
    return ""


def _mean(studio: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    if abs(studio["baseline"] - theirs["score"]) < 1e-4:
        return ""
    return f"mean {studio['baseline']:.2f}, dspy.Evaluate {theirs['score']:.2f}"


def _messages(studio: Mapping[str, Any], plain: Mapping[str, Any]) -> str:
    expected = [one for both in plain["candidates"].values() for one in both["plain"]["requests"]]
    sent = _about([*studio["looked"], *studio["requests"]], VAL)
    return _unequal(sent, expected)


def _export(plain: Mapping[str, Any]) -> str:
    for candidate, both in plain["candidates"].items():
        expected = both.get("saved", both["plain"])
        if seen := _unequal(both["export"]["requests"], expected["requests"]):
            return f"{candidate}: {seen}"
        for what in ("answers", "scores"):
            if both["export"][what] != expected[what]:
                return f"{candidate}: {both['export'][what]}, before {expected[what]}"
    return ""


def _answers(studio: Mapping[str, Any], plain: Mapping[str, Any]) -> str:
    for candidate, ours in studio["candidates"].items():
        pairs = zip(ours["answers"], plain["candidates"][candidate]["plain"]["answers"], strict=True)
        for place, (shown, expected) in enumerate(pairs, start=1):
            fields = expected if isinstance(expected, dict) else {}  # a program may return what has no fields
            if wrong := [name for name, value in fields.items() if shown.get(name) != value]:
                return f"row {place}: {', '.join(wrong)}"
    return ""


def _about(requests: Iterable[Request], numbers: Sequence[int]) -> list[Request]:
    """The requests about a row of these numbers."""
    return [one for one in requests if subject(one["messages"])[0] in numbers]


def _without_demos(request: Request) -> Request:
    first, last = request["messages"][0], request["messages"][-1]
    if isinstance(first["content"], str):
        first = {**first, "content": IN_INSTRUCTION.sub("", first["content"])}
    return {**request, "messages": [first, last]}


def _text(request: Request) -> str:
    # Which role's model it is says nothing about the program; models of the program's own keep their names.
    role = "the role's model" if request["model"] in ROLES else request["model"]
    return json.dumps({**request, "model": role}, sort_keys=True, ensure_ascii=False)


def _missing(expected: Iterable[Request], sent: Iterable[Request]) -> str:
    there = set(map(_text, sent))
    lacking = [text for text in map(_text, expected) if text not in there]
    return f"not sent: {_apart(lacking[0], sorted(there))}" if lacking else ""


def _unequal(sent: Sequence[Request], expected: Sequence[Request]) -> str:
    ours, theirs = Counter(map(_text, sent)), Counter(map(_text, expected))
    more, less = list((ours - theirs).elements()), list((theirs - ours).elements())
    if not more and not less:
        return ""
    counts = f"{len(more)} of {len(sent)} are not plain DSPy's, {len(less)} of its {len(expected)} are missing"
    return f"{counts}; {_apart(less[0], more) if less else more[0][-SHOWN:]}"


def _apart(text: str, others: Sequence[str]) -> str:
    """Where the most alike of `others` leaves `text`."""
    if not others:
        return f"nothing sent like {text[-80:]}"

    def agreeing(other: str) -> int:
        return next((at for at, pair in enumerate(zip(text, other, strict=False)) if pair[0] != pair[1]), len(text))

    near = max(others, key=agreeing)
    at = agreeing(near)
    return f"plain DSPy «{text[max(0, at - 30) : at + 60]}», here «{near[max(0, at - 30) : at + 60]}»"
