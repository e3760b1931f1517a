"""Demo sets as a kind of arm: the few-shot examples that a predictor shows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.types import DEMOS, SEED_ARM, Arm, Author, Demo, Json

if TYPE_CHECKING:
    from mipro_studio.optimizer_core.parameters.arm_features import Feature, RowClasses
    from mipro_studio.optimizer_core.programs.program import Program

__all__ = ["BY_A_PERSON", "DemosKind", "demos_arm", "made_how", "own_demos"]

BY_A_PERSON = "person"
_BY_THE_PROGRAM = ("zero_shot", "seed")


def demos_arm(owner: str, index: int, made: str, demos: Sequence[Demo], provenance: Json | None = None) -> Arm:
    """Demo set `index` of the predictor `owner`; the same index is one bootstrap over all predictors.

    Args:
        made: zero_shot, seed (the program's own), labels_only, unshuffled, shuffled (DSPy's sets -3, -2, -1, 0..N) or
            person.
    """
    author = Author.SEED if made in _BY_THE_PROGRAM else Author.PERSON if made == BY_A_PERSON else Author.MODEL
    told = [[demo.fields, demo.augmented, demo.example_id] for demo in demos]
    return Arm(owner, DEMOS, index, {"made": made, "demos": told}, author, provenance or {})


def made_how(arm: Arm) -> str:
    """How a demo set was made, see `demos_arm`."""
    return str(arm.content["made"])


class DemosKind:
    """The content is {"made", "demos"}, a demo being [fields, augmented, example_id]."""

    name = DEMOS
    title = "demo set"

    def seeds(self, program: "Program") -> Sequence[Arm]:
        arms = []
        for info, (_, predictor) in zip(program.predictors, program.module.named_predictors(), strict=True):
            own = own_demos(predictor)
            arms.append(demos_arm(info.name, SEED_ARM, "seed" if own else "zero_shot", own))
        return arms

    def apply(self, module: Any, contents: Mapping[str, Json], program: "Program", folders: Sequence[Path]) -> None:
        from mipro_studio.optimizer_core.programs.program_inputs import inputs_of

        taken = inputs_of(program.module).types
        for name, predictor in module.named_predictors():
            demos = [Demo(*demo) for demo in contents[name]["demos"]] if name in contents else []
            if name in contents and demos != own_demos(predictor):
                predictor.demos = [_as_dspy(demo, predictor.signature, taken, tuple(folders)) for demo in demos]

    def describe(self, arm: Arm) -> str:
        if not arm.demos:
            return "No demos."
        shown = [
            "\n".join(f"{name}: {value}" for name, value in demo.fields.items())
            + ("\n(a teacher's answers)" if demo.augmented else "")
            for demo in arm.demos
        ]
        return "\n\n".join(shown)

    def why_not_edited(self, seed: Arm) -> str:
        return "A demo set is not written as text: pin traces of the teacher, and leave demos out."

    def edited(self, text: str, seed: Arm) -> Json:
        raise BadInput(self.why_not_edited(seed))

    def loading(self, arm: Arm, seed: Arm) -> Sequence[str]:
        return []

    def features(self, arms: Sequence[Arm], outputs: Sequence[str], classes: "RowClasses") -> "Sequence[Feature]":
        from mipro_studio.optimizer_core.parameters.arm_features import demo_features

        return demo_features(arms, outputs, row_classes=classes)


def own_demos(predictor: Any) -> list[Demo]:
    """The demos that the program brings for `predictor`, as records."""
    return [
        Demo(_encoded(dict(demo.items()), predictor.signature), bool(demo.get("augmented")), "")
        for demo in predictor.demos
    ]


def _encoded(fields: Mapping[str, Any], signature: Any) -> dict[str, Any]:
    from mipro_studio.optimizer_core.programs.values import encode

    return {str(name): encode(value, _annotation(name, signature)) for name, value in fields.items()}


def _annotation(name: str, signature: Any) -> Any:
    return signature.fields[name].annotation if name in signature.fields else Any


def _as_dspy(demo: Demo, signature: Any, taken: Mapping[str, Any], folders: tuple[Path, ...]) -> Any:
    """A demo as the program shows it: a teacher's values are what they were, labels stay as the file has them.

    Args:
        taken: Annotations of the program's inputs: a row's value is what the program would be given, as in DSPy's
            LabeledFewShot, whatever the predictor declares.
    """
    import dspy  # pages describe arms without it

    from mipro_studio.optimizer_core.programs.values import decode

    fields = signature.fields if demo.augmented else signature.input_fields
    types = {name: field.annotation for name, field in fields.items()}
    if demo.example_id and not demo.augmented:
        types |= {name: kind for name, kind in taken.items() if name in types and kind is not Any}
    values = {
        name: decode(value, types.get(name, Any), folders)
        for name, value in demo.fields.items()
        if name in signature.fields
    }
    return dspy.Example({"augmented": True, **values} if demo.augmented else values)
