"""A trainer that is a script, and a model that is right about more rows once it is tuned."""

from collections.abc import Iterator
from typing import Any

import pytest

from mipro_studio.optimizer_core.finetuning import tuner
from mipro_studio.optimizer_core.runs import assembly
from tests.loopback import LoopbackEndpoint
from tests.loopback.inprocess import InProcessEndpoint
from tests.optimizer_core.optimizers.together.trainer import ScriptedTrainer
from tests.programs import desk


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> ScriptedTrainer:
    made = ScriptedTrainer()
    monkeypatch.setenv("TRAINER_KEY", "a-key-of-the-trainer")
    monkeypatch.setattr(assembly, "trainer_for", lambda config, folder: made)
    monkeypatch.setattr(tuner, "POLL_S", 0.001)
    monkeypatch.setattr(tuner, "LONGEST_POLL_S", 0.001)
    return made


class Desk:
    """A model of the desk: right on every third message, with demos on every second one too, and tuned on all."""

    def __init__(self) -> None:
        self.gold = desk.gold(desk.rows(60))

    def __call__(self, messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
        asked = messages[-1]["content"]
        message = next(text for text in self.gold if text in asked)
        tuned = "tuned" in body["model"]
        number = int(message.split()[1])
        right = tuned or number % 3 == 0 or (number % 2 == 0 and len(messages) > 2)
        name = "tone" if "## tone ##" in asked else "queue"
        value = self.gold[message][name]
        wrong = {
            "queue": "billing" if value != "billing" else "account",
            "tone": "calm" if value == "angry" else "angry",
        }
        return f"[[ ## {name} ## ]]\n{value if right else wrong[name]}\n\n[[ ## completed ## ]]"


@pytest.fixture(scope="module")
def model() -> Iterator[LoopbackEndpoint]:
    with InProcessEndpoint(responder=Desk(), keep_requests=True) as endpoint:
        yield endpoint
