"""A metered model that is a function: no endpoint, no network, the same path through DSPy."""

from collections.abc import Callable
from typing import Any

import dspy
from dspy import lm15

from mipro_studio.optimizer_core.config import Budget
from mipro_studio.optimizer_core.models.attempts import Account
from mipro_studio.optimizer_core.models.engines import ThreadedEngine
from mipro_studio.optimizer_core.models.lms import MeteredLM
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.types import Role

__all__ = ["ScriptedEngine", "chat", "scripted", "scripted_model"]

Reply = Callable[[lm15.Request], "str | lm15.Response"]


def chat(**fields: str) -> str:
    """A reply as DSPy's ChatAdapter reads it."""
    return "".join(f"[[ ## {name} ## ]]\n{value}\n\n" for name, value in fields.items()) + "[[ ## completed ## ]]"


class ScriptedEngine:
    """Answers with `reply(request)`; a text gets a usage of 10 tokens in and 5 out."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def complete(self, request: lm15.Request) -> lm15.Response:
        said = self._reply(request)
        if isinstance(said, lm15.Response):
            return said
        return lm15.Response(
            id=None,
            model=request.model,
            message=lm15.Message.assistant([lm15.TextPart(said)]),
            finish_reason="stop",
            usage=lm15.Usage(input_tokens=10, output_tokens=5),
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> "ScriptedEngine":
        return self


def scripted(reply: Reply, meter: Meter | None = None, role: Role = Role.TASK, **more: Any) -> MeteredLM:
    """A metered model that answers with `reply`."""
    engine = ScriptedEngine(reply)
    settings = {"retries": 0, "temperature": None, "max_tokens": None, **more}
    return MeteredLM(
        "openai/scripted",
        account=Account(meter or Meter(Budget()), role, settings.pop("prices", None)),
        engine=engine,
        async_engine=ThreadedEngine(engine),
        **settings,
    )


def scripted_model(reply: Reply, meter: Meter | None = None, role: Role = Role.TASK, **more: Any) -> RoleModel:
    return RoleModel(scripted(reply, meter, role, **more), dspy.ChatAdapter())
