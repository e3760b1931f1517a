"""Results and events in words."""

import pytest

from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.types import Demo, Event, Example, Split
from mipro_studio.ui.arms.demo_sets import answer_counts, answer_words
from mipro_studio.ui.text.events import event_words, told
from mipro_studio.ui.text.format import UNKNOWN


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Event("phase", {"phase": "search", "total": 20, "note": ""}), "Searching, 20 trials"),
        (Event("status", {"from": "running", "to": "paused", "reason": "why"}), "Paused: why"),
        (Event("traces", {"rows": 39, "passed": 12, "threshold": 1.0, "traces": [1]}), "39 training rows tried"),
        (Event("warning", {"text": "Lower the\nthreshold."}), "Lower the threshold."),
        (Event("unheard_of", {"a": 1, "b": [], "c": "x"}), "a 1, c x"),
    ],
)
def test_events_are_sentences(event: Event, words: str) -> None:
    assert event_words(event).startswith(words)


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (["yes", "no", "yes"], "2 yes, 1 no"),
        (["one two three four five", "x"], "2 different"),
        (["one two three four five"] * 2, "all the same"),
        ([], UNKNOWN),
    ],
)
def test_the_answers_of_a_demo_set_are_counted(answers: list[str], says: str) -> None:
    rows = {"e": Example("e", Split.TRAIN, 0, {"question": "?"}, {"answer": "yes"})}
    demos = tuple(Demo({"question": "?", "reasoning": "why", "answer": given}, True, "e") for given in answers)
    assert answer_words(answer_counts(demos_arm("p", 1, "shuffled", demos), rows)) == says


def test_what_happened_is_told_the_latest_first_and_not_twice_in_a_row() -> None:
    begun, search = (
        Event("phase", {"phase": name, "total": total}) for name, total in (("bootstrap", 15), ("search", 4))
    )
    events = [
        (1, "a", begun),
        (2, "b", begun),
        (3, "c", Event("progress", {"done": 1})),
        (4, "d", search),
        (5, "e", begun),
    ]
    assert [at for at, _ in told(events)] == ["e", "d", "a"]
    assert told(events)[0][1] == "Bootstrapping demos, 15 sets"
