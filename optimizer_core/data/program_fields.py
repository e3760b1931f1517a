"""What a program says of the columns that it reads and puts out."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, get_origin

from pydantic import BaseModel

from mipro_studio.optimizer_core.data.fields import Fields, end_outputs
from mipro_studio.optimizer_core.programs.program_inputs import inputs_of

__all__ = ["fields_of"]


def fields_of(module: Any, inputs: Sequence[str], optional: frozenset[str]) -> Fields:
    """The fields of a `dspy.Module`.

    Outputs of its end are those of its own signature, as a bare dspy.ReAct has one; without one, those of its
    predictors that no other predictor takes in.

    Args:
        inputs: Inputs that are read from columns.
        optional: Those that may be null or have no column.
    """
    predictors = [predictor.signature for _, predictor in module.named_predictors()]
    outputs, within = end_outputs((list(one.input_fields), list(one.output_fields)) for one in predictors)
    own: Any = getattr(module, "signature", None)
    whole = [own] if hasattr(own, "output_fields") else []
    for signature in whole:
        end, aside = end_outputs([((), list(signature.output_fields))])
        within, outputs = (within | set(outputs) | aside) - set(end), end
    nullable = {
        name
        for signature in [*predictors, *whole]
        for name, field in signature.output_fields.items()
        if _allows_none(field.annotation)
    }
    types = inputs_of(module).types
    records = frozenset(name for name in inputs if _is_record(types.get(name)))
    return Fields(tuple(inputs), optional, outputs, frozenset(within), frozenset(nullable), records)


def _is_record(annotation: Any) -> bool:
    kind = get_origin(annotation) or annotation
    if not isinstance(kind, type):
        return False
    return issubclass(kind, Mapping | BaseModel) or dataclasses.is_dataclass(kind)


def _allows_none(annotation: Any) -> bool:
    from dspy.adapters.utils import annotation_allows_none

    return bool(annotation_allows_none(annotation))
