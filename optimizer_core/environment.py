"""What the processes of a run inherit of a person's environment.

A helper, which runs no code of a person's, is given what is on a list. What a person's program starts inherits the
person's environment, as with plain Python, without the keys of the run's models: those were given to the run.
"""

import multiprocessing.util
import os
import re
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import Any

from mipro_studio.optimizer_core.roles import key_variables
from mipro_studio.optimizer_core.secrets import learn_variable, names_secret, without_userinfo

__all__ = [
    "DOOR_TOKEN",
    "conventional",
    "helper_environment",
    "keep_keys_back",
    "keeper_environment",
    "withhold",
    "withhold_of",
    "worker_environment",
]

DOOR_TOKEN = "MIPRO_STUDIO_TOKEN"
"""Variable with the token that lets a browser in (`ui/page/door.py`); no process but that of the pages needs it."""

_HELPERS_NEED = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|VIRTUAL_ENV|XDG_\w+|LD_LIBRARY_PATH|"
    r"DYLD_\w+|PYTHON\w+|COVERAGE_\w+|MIPRO_STUDIO_(?!TOKEN$)\w+|LITELLM_LOCAL_MODEL_COST_MAP|(OMP|MKL|OPENBLAS)_NUM_THREADS|"
    r"SYSTEMROOT|APPDATA|LOCALAPPDATA|DSPY_CACHEDIR"
)
_NETWORK_NEEDS = re.compile(
    r"(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE", re.IGNORECASE
)


def helper_environment(*names: str, network: bool = False) -> dict[str, str]:
    """The environment of a process that runs no code of a person's: what Python and the studio need, and `names`.

    A list of what is passed on, because nobody can tell by its name that a variable holds no key.

    Args:
        network: It reaches out, so it needs to know the proxy, whose address may hold a password.
    """
    known = dict(os.environ)
    passed = {name for name, value in known.items() if _HELPERS_NEED.fullmatch(name) and not _has_password(value)}
    if network:
        passed |= {name for name in known if _NETWORK_NEEDS.fullmatch(name)}
    return {name: value for name, value in known.items() if name in {*passed, *names}}


def keeper_environment(*names: str) -> dict[str, str]:
    """The environment of the process that blacks keys out of a log, which has to know them: `names`, and whatever
    else looks as if it held one."""
    return helper_environment(*names, *(name for name, value in os.environ.items() if names_secret(name, value)))


def worker_environment() -> dict[str, str]:
    """The environment of a process that runs a person's program: the person's, without the token of the studio."""
    return {name: value for name, value in os.environ.items() if name != DOOR_TOKEN}


def _has_password(value: str) -> bool:
    return without_userinfo(value) != value


class _Withheld:
    """The variables that children of this process do not inherit, once that is switched on."""

    def __init__(self) -> None:
        self.on = False
        self.names: set[str] = set()
        self.lock = threading.RLock()


_withheld = _Withheld()


def keep_keys_back() -> None:
    """From now on children of this process do not inherit what is withheld, and keys that its code puts into the
    environment are learned. For a process of a run's own: a caller's process stays as it is."""
    if _withheld.on:
        return
    _withheld.on = True
    subprocess._USE_POSIX_SPAWN = False  # type: ignore[misc]  # it passes os.environ on
    multiprocessing.util.spawnv_passfds = _with_keys(multiprocessing.util.spawnv_passfds)  # type: ignore[attr-defined]
    os.putenv = _learning(os.putenv)


def withhold(*names: str) -> None:
    """Take these variables out of what children inherit, where that is switched on.

    `os.environ` of this process keeps them, and whoever passes `env=os.environ` on does so knowingly.
    """
    with _withheld.lock:
        for name in names if _withheld.on else ():
            if name and name in os.environ:
                os.unsetenv(name)
                _withheld.names.add(name)


def withhold_of(config: Mapping[str, Any]) -> None:
    """`withhold` the keys of a run's models: the variables that its settings name, and those that providers' clients
    read where they name none."""
    withhold(*key_variables(config), *map(conventional, _models(config)))


def conventional(model: str) -> str:
    """Where clients look for the key of `provider/model`: `PROVIDER_API_KEY`; empty for a name without a provider."""
    provider, slash, _ = model.partition("/")
    return f"{provider.upper()}_API_KEY" if slash and provider.isidentifier() else ""


def _models(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        own = [value["model"]] if isinstance(value.get("model"), str) else []
        return [*own, *(model for item in value.values() for model in _models(item))]
    if isinstance(value, list | tuple):
        return [model for item in value for model in _models(item)]
    return []


def _with_keys(start: Callable[..., Any]) -> Callable[..., Any]:
    """Processes of `multiprocessing` run the program's own Python, which may ask the models: they get the keys."""

    def started(*arguments: Any) -> Any:
        with _withheld.lock:
            lent = {name: os.environ[name] for name in _withheld.names if name in os.environ}
            for name, value in lent.items():
                os.putenv(name, value)
            try:
                return start(*arguments)
            finally:
                for name in lent:
                    os.unsetenv(name)

    return started


def _learning(put: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """`os.environ[...] = ...` ends here, so that keys are heard of which a program reads from a file of its own."""

    def learned(name: Any, value: Any) -> None:
        put(name, value)
        learn_variable(os.fsdecode(name), os.fsdecode(value))

    return learned
