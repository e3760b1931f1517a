"""What leaves this machine, said before it does. No widgets."""

import re

from mipro_studio.optimizer_core.config import EMBEDDED, OF_PROGRAM, RunConfig
from mipro_studio.optimizer_core.types import Role

__all__ = ["leaving"]

_LOCAL = re.compile(r"^https?://(localhost|127\.\d+\.\d+\.\d+|\[::1\])([:/]|$)")


def leaving(config: RunConfig) -> list[str]:
    """What leaves this machine, a sentence a role; empty when nothing does. A lab session has no task model."""
    said = []
    for role in config.roles:
        spec = config.model_for(role)
        if role is Role.TASK and config.optimizer == "lab":
            continue
        if spec.model == EMBEDDED or _LOCAL.match(spec.api_base or ""):
            continue
        what = {
            Role.TASK: "every training, validation and test row the program reads, with instructions and demos",
            Role.TEACHER: "training rows, and the program's answers to them",
            Role.PROMPT: _shown(config),
            Role.JUDGE: "every row that is scored, with its labels, the program's answer and your criteria",
        }.get(role, "what it is given")
        model = "the program's own model" if spec.model == OF_PROGRAM else spec.model
        said.append(f"To {model} at {spec.api_base or 'its provider'} ({role.value} model): {what}.")
    for name, spec in config.models.items():
        if spec.model != EMBEDDED and not _LOCAL.match(spec.api_base or ""):
            said.append(f"To {spec.model} at {spec.api_base or 'its provider'} ({name}): what it is given.")
    return said


def _shown(config: RunConfig) -> str:
    parts = ["the names of fields and modules and the seed instructions"]
    if config.proposer.program_summary:
        parts.append("the program's source code")
    if config.proposer.dataset_summary:
        parts.append("batches of training rows")
    if config.proposer.demos:
        parts.append("bootstrapped demos")
    if config.proposer.hint:
        parts.append("your hint")
    return ", ".join(parts)
