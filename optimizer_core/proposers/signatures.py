"""The prompts of the meta-proposer as DSPy signatures, worded as in MIPRO's Listing 1 and appendix C.

Studies compare optimizers by these words, so they are the paper's and not improved here.
"""

from functools import cache

import dspy

__all__ = [
    "DescribeData",
    "DescribeModule",
    "DescribeMoreData",
    "DescribeProgram",
    "Summarize",
    "field_of",
    "generate_instruction",
    "generate_instructions",
]

_OBSERVE = (
    "Given several examples from a dataset please write observations about trends that hold for most or all of the "
    "samples. {more}Some areas you may consider in your observations: topics, content, syntax, conciseness, etc. "
    "It will be useful to make an educated guess as to the nature of the task this dataset will enable. "
    "Don't be afraid to be creative"
)
_PIPELINE = "Below is some pseudo-code for a pipeline that solves tasks with calls to language models. "
_CODE = "Pseudocode for a language model program designed to solve a particular task."
_EXAMPLE = "An example of the program in use."
_SUMMARY = "Summary of the task the program is designed to solve, and how it goes about solving it."


class DescribeData(dspy.Signature):  # type: ignore[misc]
    __doc__ = _OBSERVE.format(more="")

    examples = dspy.InputField(desc="Sample data points from the dataset")
    observations = dspy.OutputField(desc="Somethings that holds true for most or all of the data you observed")


class DescribeMoreData(dspy.Signature):  # type: ignore[misc]
    __doc__ = _OBSERVE.format(
        more="I will also provide you with a few observations I have already made. Please add your own observations "
        "or if you feel the observations are comprehensive say 'COMPLETE' "
    )

    examples = dspy.InputField(desc="Sample data points from the dataset")
    prior_observations = dspy.InputField(desc="Some prior observations I made about the data")
    observations = dspy.OutputField(
        desc="Somethings that holds true for most or all of the data you observed "
        "or COMPLETE if you have nothing to add"
    )


class Summarize(dspy.Signature):  # type: ignore[misc]
    """Given a series of observations I have made about my dataset, please summarize them into a brief 2-3 sentence
    summary which highlights only the most important details."""

    observations = dspy.InputField(desc="Observations I have made about my dataset")
    summary = dspy.OutputField(
        desc="Two to Three sentence summary of only the most significant highlights of my observations"
    )


class DescribeProgram(dspy.Signature):  # type: ignore[misc]
    __doc__ = _PIPELINE + (
        "Please describe what type of task this program appears to be designed to solve, and how it appears to work."
    )

    program_code = dspy.InputField(desc=_CODE)
    program_example = dspy.InputField(desc=_EXAMPLE)
    program_description = dspy.OutputField(
        desc="Describe what task the program is designed to solve, and how it goes about solving this task."
    )


class DescribeModule(dspy.Signature):  # type: ignore[misc]
    __doc__ = _PIPELINE + "Please describe the purpose of one of the specified module in this pipeline."

    program_code = dspy.InputField(desc=_CODE)
    program_example = dspy.InputField(desc=_EXAMPLE)
    program_description = dspy.InputField(desc=_SUMMARY)
    module = dspy.InputField(desc="The module in the program that we want to describe.")
    module_description = dspy.OutputField(desc="Description of the module's role in the broader program.")


_INPUTS = {
    "dataset_description": "A description of the dataset that we are using.",
    "program_code": "Language model program designed to solve a particular task.",
    "program_description": _SUMMARY,
    "module": "The module to create an instruction for.",
    "module_description": "Description of the module to create an instruction for.",
    "task_demos": "Example inputs/outputs of our module.",
    "previous_instructions": "Previous instructions we've attempted, along with their associated scores.",
    "basic_instruction": "Basic instruction.",
    "tip": "A suggestion for how to go about generating the new instruction.",
    "hint": "What the person who asks for the instruction wants it to take care of.",
}


@cache
def generate_instruction(fields: tuple[str, ...]) -> type[dspy.Signature]:
    """The signature that asks for one instruction and shows just `fields` (keys of the paper's Listing 1)."""
    shown = {name: (str, dspy.InputField(desc=_INPUTS[name])) for name in _INPUTS if name in fields}
    asked = dspy.OutputField(
        desc="Propose an instruction that will be used to prompt a Language Model to perform this task."
    )
    signature: type[dspy.Signature] = dspy.make_signature(
        {**shown, "proposed_instruction": (str, asked)},
        "Use the information below to learn about a task that we are trying to solve using calls to an LM, then "
        "generate a new instruction that will be used to prompt a Language Model to better solve the task.",
        "GenerateInstruction",
    )
    return signature


def field_of(place: int) -> str:
    """Name of the output field for the module at `place`: predictor names need not be identifiers."""
    return f"proposed_instruction_{place + 1}"


@cache
def generate_instructions(fields: tuple[str, ...], modules: tuple[str, ...]) -> type[dspy.Signature]:
    """The signature that asks for the instructions of all `modules` in one call (Program-Level OPRO, F.4)."""
    shown = {name: (str, dspy.InputField(desc=_INPUTS[name])) for name in _INPUTS if name in fields}
    asked = {
        field_of(place): (str, dspy.OutputField(desc=f"Propose an instruction for the module {name!r}."))
        for place, name in enumerate(modules)
    }
    signature: type[dspy.Signature] = dspy.make_signature(
        {**shown, **asked},
        "Use the information below to learn about a task that we are trying to solve with a program of several calls "
        "to an LM, then generate a new set of instructions, one for each module, that together will be used to "
        "prompt a Language Model to better solve the task.",
        "GenerateInstructions",
    )
    return signature
