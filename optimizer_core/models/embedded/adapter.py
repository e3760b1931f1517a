"""A DSPy adapter short enough for a model of 135M parameters.

The prompt is the signature's instructions as system text, one user/assistant pair per demo and the
inputs as the last user turn. Nothing else is added: what the optimizer writes is all the model reads.
Closed output types (Literal, bool, Enum, int, float) are enforced by a grammar, not by instructions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import dspy
import pydantic
from dspy import lm15
from dspy.adapters.utils import format_field_value, parse_value
from dspy.clients._deprecation import adapter_message_call
from dspy.utils.exceptions import AdapterParseError

from mipro_studio.optimizer_core.models.embedded.grammar import OutputShape, choices, output_shape

__all__ = ["CompactAdapter"]

# Small models run on; a blank line ends an answer that no grammar ends.
_TEXT_STOP: Final = ("\n\n",)
_CONFIG_KEYS: Final = ("temperature", "top_p", "top_k", "stop", "seed")


class CompactAdapter(dspy.Adapter):  # type: ignore[misc]
    """Adapter for the embedded model; ``max_text_tokens`` bounds an open-ended answer.

    With an LM whose engine has no ``supports_grammar`` the same messages are sent without grammar.
    """

    def __init__(self, max_text_tokens: int = 200, callbacks: list[Any] | None = None) -> None:
        super().__init__(callbacks=callbacks)
        self.max_text_tokens = max_text_tokens

    def __call__(
        self,
        lm: Any,
        lm_kwargs: dict[str, Any],
        signature: type[dspy.Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """Format, ask, parse. Raises ``AdapterParseError`` and DSPy's ``LMError`` classes."""
        processed = self._call_preprocess(lm, lm_kwargs, signature, inputs)
        messages = self.format(processed, demos, inputs)
        outputs: list[Any]
        if _takes_grammar(lm):
            requests = self._requests(lm, lm_kwargs, processed, messages)
            outputs = [lm(request, **_controls(lm_kwargs)).text for request in requests]
        else:
            with adapter_message_call(lm, messages):
                outputs = lm(messages=messages, **lm_kwargs)
        values: list[dict[str, Any]] = self._call_postprocess(processed, signature, outputs, lm, lm_kwargs)
        return values

    async def acall(
        self,
        lm: Any,
        lm_kwargs: dict[str, Any],
        signature: type[dspy.Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """Asynchronous twin of :meth:`__call__`."""
        processed = self._call_preprocess(lm, lm_kwargs, signature, inputs)
        messages = self.format(processed, demos, inputs)
        outputs: list[Any]
        if _takes_grammar(lm):
            requests = self._requests(lm, lm_kwargs, processed, messages)
            outputs = [(await lm.acall(request, **_controls(lm_kwargs))).text for request in requests]
        else:
            with adapter_message_call(lm, messages):
                outputs = await lm.acall(messages=messages, **lm_kwargs)
        values: list[dict[str, Any]] = self._call_postprocess(processed, signature, outputs, lm, lm_kwargs)
        return values

    def format_system_message(self, signature: type[dspy.Signature]) -> str:
        return str(signature.instructions)

    def format_demos(self, signature: type[dspy.Signature], demos: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One user and one assistant turn per demo; a demo without any input or output is left out."""
        messages = []
        for demo in demos:
            question = self.format_user_message_content(signature, demo)
            answer = self.format_assistant_message_content(signature, demo)
            if question and answer:
                messages.append({"role": "user", "content": question})
                messages.append({"role": "assistant", "content": answer})
        return messages

    def format_user_message_content(
        self,
        signature: type[dspy.Signature],
        inputs: Mapping[str, Any],
        prefix: str = "",
        suffix: str = "",
        main_request: bool = False,
    ) -> str:
        body = _lines(signature.input_fields, inputs)
        return "\n".join(part for part in (prefix, body, suffix) if part)

    def format_assistant_message_content(
        self,
        signature: type[dspy.Signature],
        outputs: Mapping[str, Any],
        missing_field_message: str | None = None,
    ) -> str:
        return _lines(signature.output_fields, outputs)

    def parse(self, signature: type[dspy.Signature], completion: str) -> dict[str, Any]:
        """Typed values of all output fields, else ``AdapterParseError``."""
        fields = signature.output_fields
        texts = _split(fields, completion)
        values: dict[str, Any] = {}
        for name, field in fields.items():
            if name not in texts:
                raise self._parse_error(signature, completion, f"The answer has no line for {_label(name, field)!r}.")
            try:
                values[name] = _typed(texts[name], field.annotation)
            except (ValueError, TypeError, pydantic.ValidationError) as exc:
                raise self._parse_error(signature, completion, f"{_label(name, field)}: {exc}") from exc
        return values

    def _parse_error(self, signature: type[dspy.Signature], completion: str, message: str) -> AdapterParseError:
        return AdapterParseError(
            adapter_name=type(self).__name__, signature=signature, lm_response=completion, message=message
        )

    def _requests(
        self,
        lm: Any,
        lm_kwargs: Mapping[str, Any],
        signature: type[dspy.Signature],
        messages: Sequence[Mapping[str, Any]],
    ) -> list[lm15.Request]:
        """One canonical request per wanted completion.

        A canonical request is DSPy's own way to carry a grammar: keyword arguments of an LM call that
        no chat API knows are refused on conversion, ``Config.extensions`` is passed through.
        """
        options = {**lm.kwargs, **lm_kwargs}
        shape = output_shape([(_label(name, f), f.annotation) for name, f in signature.output_fields.items()])
        turns = [_message(m) for m in messages if m["role"] != "system"]
        system = "\n\n".join(str(m["content"]) for m in messages if m["role"] == "system" and m["content"])
        if not turns:
            # A signature without inputs (or with none supplied) still needs a turn to answer.
            turns = [lm15.Message.user("Begin.")]
        return [
            lm15.Request(
                model=lm.model,
                messages=tuple(turns),
                system=system or None,
                config=self._config(options, shape, seed=_seed(lm, options, number)),
            )
            for number in range(options.get("n") or 1)
        ]

    def _config(self, options: Mapping[str, Any], shape: OutputShape, seed: int) -> lm15.Config:
        settings = {key: options[key] for key in _CONFIG_KEYS if options.get(key) is not None}
        settings["seed"] = seed
        limit = options.get("max_tokens") or self.max_text_tokens
        settings["max_tokens"] = min(limit, shape.max_tokens or self.max_text_tokens)
        if shape.grammar is not None:
            settings["extensions"] = {"grammar": shape.grammar}
        else:
            stop = settings.get("stop") or ()
            settings["stop"] = ((stop,) if isinstance(stop, str) else tuple(stop)) or _TEXT_STOP
        return lm15.Config(**settings)


def _takes_grammar(lm: Any) -> bool:
    return getattr(getattr(lm, "engine", None), "supports_grammar", False) is True


def _controls(lm_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments DSPy accepts beside a canonical request."""
    return {key: lm_kwargs[key] for key in ("cache", "rollout_id") if key in lm_kwargs}


def _seed(lm: Any, options: Mapping[str, Any], number: int) -> int:
    """The sampling seed of the ``number``-th completion.

    DSPy asks for a fresh sample of the same prompt by a new ``rollout_id``, which only reaches its
    cache; without this the embedded model would return the same sample for each.
    """
    base = options["seed"] if options.get("seed") is not None else getattr(lm.engine, "seed", 0)
    key = f"{base}/{options.get('rollout_id')}/{number}"
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") >> 1


def _message(message: Mapping[str, Any]) -> lm15.Message:
    content = str(message["content"] or "")
    return lm15.Message.assistant(content) if message["role"] == "assistant" else lm15.Message.user(content)


def _label(name: str, field: Any) -> str:
    """The field's own prefix (which COPRO may rewrite), else its name in words."""
    prefix = (field.json_schema_extra or {}).get("prefix") or name.replace("_", " ").title()
    return str(prefix).strip().rstrip(":").strip()


def _lines(fields: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """The values present: alone for a one-field side, else one ``Label: value`` line each."""
    present = [(name, field) for name, field in fields.items() if values.get(name) is not None]
    texts = [str(format_field_value(field, values[name])).strip() for name, field in present]
    if len(fields) == 1:
        return "".join(texts)
    return "\n".join(f"{_label(name, field)}: {text}" for (name, field), text in zip(present, texts, strict=True))


def _split(fields: Mapping[str, Any], completion: str) -> dict[str, str]:
    """The text of each field found in an answer; later labels end earlier fields."""
    if len(fields) == 1:
        return {next(iter(fields)): completion.strip()}
    by_label = {_label(name, field).lower(): name for name, field in fields.items()}
    pattern = "|".join(re.escape(label) for label in sorted(by_label, key=len, reverse=True))
    marks = list(re.finditer(rf"^[ \t]*({pattern})[ \t]*:", completion, re.IGNORECASE | re.MULTILINE))
    texts: dict[str, str] = {}
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        end = following.start() if following else len(completion)
        texts.setdefault(by_label[mark.group(1).lower()], completion[mark.end() : end].strip())
    return texts


def _typed(text: str, annotation: Any) -> Any:
    """The value of ``text``; raises ValueError when a closed type does not allow it."""
    allowed = choices(annotation)
    if allowed is None:
        return parse_value(text, annotation)
    if text in allowed:
        return allowed[text]
    # Endpoint models answer without a grammar: accept other letter case, quotes and a final stop.
    plain = text.strip().strip("\"'`").rstrip(".").strip().lower()
    matches = [value for key, value in allowed.items() if key.lower() == plain]
    if len(matches) != 1:
        raise ValueError(f"{text!r} is not one of {', '.join(allowed)}")
    return matches[0]
