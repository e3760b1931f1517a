"""Programs that say which model, and how it is asked."""

from types import SimpleNamespace

import dspy
from dspy.lm15 import Message, Response, Usage


class TwoSteps(dspy.Module):
    def __init__(self):
        super().__init__()
        self.draft = dspy.Predict("text -> notes")
        self.decide = dspy.Predict("text, notes -> answer")

    def forward(self, text):
        return self.decide(text=text, notes=self.draft(text=text).notes)


class OwnModels(TwoSteps):
    """A cheap one drafts, a strong one decides."""

    def __init__(self):
        super().__init__()
        self.draft.set_lm(dspy.LM("openai/cheap", api_key="x", temperature=0.3))
        self.decide.set_lm(dspy.LM("openai/strong", api_key="x", max_tokens=50))


class OneOwnModel(TwoSteps):
    """One step has a model of its own, the other is asked of whatever is configured."""

    def __init__(self):
        super().__init__()
        self.draft.lm = dspy.LM("openai/cheap", api_key="x")


class Configured(TwoSteps):
    """Temperature, stop words and length by step."""

    def __init__(self):
        super().__init__()
        self.draft = dspy.Predict("text -> notes", temperature=0.9, max_tokens=33)
        self.decide = dspy.ChainOfThought("text, notes -> answer", temperature=0.0, stop=["###"])


class InContext(TwoSteps):
    """Changes the model for a while."""

    def __init__(self):
        super().__init__()
        self.strong = dspy.LM("openai/strong", api_key="x")

    def forward(self, text):
        notes = self.draft(text=text).notes
        with dspy.context(lm=self.strong):
            return self.decide(text=text, notes=notes)


class CopiedModel(TwoSteps):
    """Asks a copy of the configured model."""

    def forward(self, text):
        warm = dspy.settings.lm.copy(temperature=0.8)
        return self.decide(text=text, notes=self.draft(text=text, lm=warm).notes)


class DirectCall(TwoSteps):
    """Asks the model itself, without a signature."""

    def forward(self, text):
        said = dspy.settings.lm(messages=[{"role": "user", "content": f"What do you know of {text}"}])
        return self.decide(text=text, notes=str(len(said)))


class Remembering(TwoSteps):
    """Reads what was said from the model's history."""

    def forward(self, text):
        self.draft(text=text)
        last = dspy.settings.lm.history[-1]
        return self.decide(text=text, notes=f"{last['messages'][-1]['role']}: {last['outputs'][0][:30]}")


class OwnHistory(TwoSteps):
    """Reads its own history, which DSPy keeps for every module."""

    def forward(self, text):
        self.draft(text=text)
        return self.decide(text=text, notes=str(len(self.draft.history[-1]["messages"])))


class Echo:
    """A model in this process."""

    def complete(self, request):
        number = request.messages[-1].text.partition("item ")[2].split()[0].strip(".")
        said = f"[[ ## notes ## ]]\nnoted item {number}\n\n[[ ## completed ## ]]"
        return Response("e", "echo", Message.assistant(said), "stop", Usage(input_tokens=3, output_tokens=4))


class OwnEngine(TwoSteps):
    """Drafts on a model that is no endpoint."""

    def __init__(self):
        super().__init__()
        self.draft.lm = dspy.LM("echo", engine=Echo())


def metric(example, pred, trace=None):
    return pred.answer == example.answer


class MadeWithIt(TwoSteps):
    """Looks at the configured model when it is made."""

    def __init__(self):
        super().__init__()
        self.cool = dspy.settings.lm.copy(temperature=0.1)

    def forward(self, text):
        with dspy.context(lm=self.cool):
            notes = self.draft(text=text).notes
        return self.decide(text=text, notes=notes)


class Parrot(dspy.BaseLM):
    """A model as people wrote them before DSPy 3.4."""

    def __init__(self):
        super().__init__("parrot")

    def forward(self, prompt=None, messages=None, **kwargs):
        number = messages[-1]["content"].partition("item ")[2].split()[0].strip(".")
        said = f"[[ ## notes ## ]]\nparrot says item {number}\n\n[[ ## completed ## ]]"
        message = SimpleNamespace(content=said, tool_calls=None)
        usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        return SimpleNamespace(choices=[SimpleNamespace(message=message, finish_reason="stop")], usage=usage, model="parrot")


class OwnClass(TwoSteps):
    """Drafts on a model of its own class."""

    def __init__(self):
        super().__init__()
        self.draft.set_lm(Parrot())


class InModule(dspy.Module):
    """An agent's model set on the module that holds its predictors."""

    def __init__(self):
        super().__init__()
        self.inner = TwoSteps()
        self.inner.set_lm(dspy.LM("openai/cheap", api_key="x", temperature=0.5))

    def forward(self, text):
        return self.inner(text=text)
