"""A run's settings as rows: what was asked for, what took effect, why they differ. No Streamlit."""

from collections.abc import Mapping
from typing import Any

from mipro_studio.optimizer_core.roles import EMBEDDED, JUDGE, MODEL_PLACES, ROLE_TITLES, model_of
from mipro_studio.optimizer_core.secrets import without_userinfo
from mipro_studio.optimizer_core.types import Role
from mipro_studio.ui.text.format import clean, clip

__all__ = ["LEFT_OPEN", "changed", "differences", "flat", "model_rows", "setting_rows", "words"]

LEFT_OPEN = "left open"

_MODELS = tuple(".".join(place) for place in MODEL_PLACES.values())
_HIDDEN = ("base", "start_state", "carried")


def flat(values: Mapping[str, Any], beginning: str = "") -> dict[str, Any]:
    """`{"search": {"trials": 5}}` as `{"search.trials": 5}`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{beginning}{name}"
        found |= flat(value, f"{path}.") if isinstance(value, Mapping) and value else {path: value}
    return found


def words(value: Any) -> str:
    """A setting's value for people."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return ", ".join(words(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {words(item)}" for name, item in value.items()) or "none"
    return without_userinfo(clean(clip(value, 400))) if value != "" else "none"


def setting_rows(config: Mapping[str, Any], receipt: Mapping[str, Any]) -> list[dict[str, str]]:
    """{setting, requested, effective, why} of every setting; those not as asked come first."""
    asked = receipt.get("asked")
    requested = flat(asked) if isinstance(asked, Mapping) else {}
    stated = [row for row in receipt.get("settings") or () if isinstance(row, Mapping)]
    rows = [
        {
            "setting": words(row.get("setting")),
            "requested": words(row.get("requested")),
            "effective": words(row.get("effective")),
            "why": words(row["why"]) if row.get("why") else "",
        }
        for row in stated
    ]
    named = {row["setting"] for row in rows}
    for path, effective in flat(config).items():
        if path.split(".")[-1] in named or path in _HIDDEN or _of_model(path):
            continue
        given = path in requested
        why = "default, preset or sample"
        if given:
            same = words(requested[path]) == words(effective)
            why = "" if same else "adapted to the program and its data"
        rows.append(
            {
                "setting": clean(path),
                "requested": words(requested[path]) if given else LEFT_OPEN,
                "effective": words(effective),
                "why": why,
            }
        )
    return sorted(rows, key=lambda row: (not changed(row), row["requested"] == LEFT_OPEN))


def _of_model(path: str) -> bool:
    return any(f"{path}.".startswith(f"{place}.") for place in _MODELS)


def changed(row: Mapping[str, str]) -> bool:
    """Whether something else took effect than was asked for; what was left open is not a change."""
    return row["requested"] not in (LEFT_OPEN, "not set", row["effective"])


def model_rows(config: Mapping[str, Any]) -> list[dict[str, str]]:
    """Models by role: names and settings, never a key (only the name of the variable that holds it)."""
    rows = []
    for role in MODEL_PLACES:
        if role is Role.JUDGE and config.get("metric") != JUDGE:
            continue
        own = model_of(config, role)
        shared = Role.PROMPT if role is Role.JUDGE and model_of(config, Role.PROMPT) else Role.TASK
        spec = own or model_of(config, shared) or {}
        rows.append(
            {
                "role": ROLE_TITLES[role],
                "model": words(spec.get("model")),
                "endpoint": _endpoint(spec),
                "key from": words(spec.get("api_key_env") or "no key"),
                "temperature": words(spec.get("temperature") if spec.get("temperature") is not None else "default"),
                "longest reply": words(spec.get("max_tokens") or "default"),
                "same as": "" if own else ROLE_TITLES[shared].lower(),
            }
        )
    return rows


def _endpoint(spec: Mapping[str, Any]) -> str:
    if spec.get("model") == EMBEDDED:
        return "this machine"
    return words(spec.get("api_base") or "the provider's own")


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[dict[str, str]]:
    """{setting, first, second} where two runs' settings differ; their names and folders aside."""
    one, two = flat(first), flat(second)
    return [
        {"setting": clean(path), "first": words(one.get(path)), "second": words(two.get(path))}
        for path in dict.fromkeys([*one, *two])
        if path not in ("name", "base") and one.get(path) != two.get(path)
    ]
