"""Where predictors live in a program, and how a program is had."""

import dspy


class Step(dspy.Module):
    def __init__(self, signature):
        super().__init__()
        self.do = dspy.Predict(signature)

    def forward(self, **kwargs):
        return self.do(**kwargs)


class Nested(dspy.Module):
    def __init__(self):
        super().__init__()
        self.first = Step("text -> notes")
        self.second = Step("text, notes -> answer")

    def forward(self, text):
        return self.second(text=text, notes=self.first(text=text).notes)


class Listed(dspy.Module):
    def __init__(self):
        super().__init__()
        self.steps = [dspy.Predict("text -> notes"), dspy.ChainOfThought("text, notes -> answer")]

    def forward(self, text):
        return self.steps[1](text=text, notes=self.steps[0](text=text).notes)


class Held(dspy.Module):
    """Predictors in a dictionary, one under a name with a space."""

    def __init__(self):
        super().__init__()
        self.steps = {"take notes": dspy.Predict("text -> notes"), "answer": dspy.Predict("text, notes -> answer")}

    def forward(self, text):
        return self.steps["answer"](text=text, notes=self.steps["take notes"](text=text).notes)


class Shared(dspy.Module):
    """One predictor under two names, called twice."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text -> answer")
        self.again = self.ask

    def forward(self, text):
        first = self.ask(text=text)
        return self.again(text=f"Is {text} {first.answer}?")


class Frozen(dspy.Module):
    """A part that was compiled before stays as it is."""

    def __init__(self):
        super().__init__()
        self.notes = Step("text -> notes")
        self.notes.do.demos = [dspy.Example(text="an old text", notes="old notes")]
        self.notes._compiled = True
        self.answer = dspy.Predict("text, notes -> answer")

    def forward(self, text):
        return self.answer(text=text, notes=self.notes(text=text).notes)


class Looping(dspy.Module):
    """One predictor called three times in a run, as a multi-hop program does."""

    def __init__(self):
        super().__init__()
        self.hop = dspy.ChainOfThought("text, notes -> query")
        self.answer = dspy.Predict("text, notes -> answer")

    def forward(self, text):
        notes = []
        for hop in range(3):
            notes.append(f"{hop}: {self.hop(text=text, notes=notes).query}")
        return self.answer(text=text, notes=notes)


class Instructed(dspy.Module):
    """Instructions set in code, over several lines, and field descriptions."""

    class Ask(dspy.Signature):
        """Say whether the number
        is even or odd.

            - mind the zero
        """

        text: str = dspy.InputField(desc="what it is about")
        answer: str = dspy.OutputField(desc="even or odd")

    def __init__(self):
        super().__init__()
        self.first = dspy.Predict(self.Ask)
        self.second = dspy.Predict(self.Ask.with_instructions("Say it again, in   other words."))

    def forward(self, text):
        self.first(text=text)
        return self.second(text=text)


class Bare(dspy.Module):
    """Returns text, not a prediction."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text -> answer")

    def forward(self, text):
        return self.ask(text=text).answer


class Mapping(Bare):
    """Returns a dictionary."""

    def forward(self, text):
        return {"answer": self.ask(text=text).answer}


class Conversing(dspy.Module):
    """Keeps a conversation of its own in one run."""

    class Ask(dspy.Signature):
        text: str = dspy.InputField()
        history: dspy.History = dspy.InputField()
        answer: str = dspy.OutputField()

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict(self.Ask)

    def forward(self, text):
        history = dspy.History(messages=[])
        for turn in ("first", "second"):
            said = self.ask(text=f"{turn}: {text}", history=history)
            history.messages.append({"text": f"{turn}: {text}", **said})
        return said


class Hurt(dspy.Module):
    """Goes on when a step fails."""

    def __init__(self):
        super().__init__()
        self.number = dspy.Predict("text -> number: int")
        self.ask = dspy.Predict("text, number -> answer")

    def forward(self, text):
        try:
            number = self.number(text=text).number
        except dspy.AdapterParseError as error:
            number = len(str(error)[:5])
        return self.ask(text=text, number=str(number))


def factory():
    return Nested()


instance = dspy.ChainOfThought("text -> answer")


class Sometimes(dspy.Module):
    """Raises on some rows."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text -> answer")

    def forward(self, text):
        if "item 12" in text:
            raise ValueError("twelve is too much")
        return self.ask(text=text)


class Cautious(dspy.Module):
    """Another instruction or demos given for one call."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text -> answer")

    def forward(self, text):
        shown = [dspy.Example(text="a text", answer="an answer")]
        return self.ask(text=text, demos=shown, config={"max_tokens": 77})


def metric(example, pred, trace=None):
    return pred.answer == example.answer


def bare_metric(example, pred, trace=None):
    return pred == example.answer


def mapped_metric(example, pred, trace=None):
    return pred["answer"] == example.answer


class KeywordOnly(dspy.Module):
    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text -> answer")

    def forward(self, *, text: str) -> dspy.Prediction:
        return self.ask(text=text)


class Noted(dspy.Predict):
    """A predictor of one's own kind."""

    def forward(self, **kwargs):
        return super().forward(**kwargs, note="mind the zero")


class OwnPredictor(dspy.Module):
    def __init__(self):
        super().__init__()
        self.ask = Noted("text, note -> answer")

    def forward(self, text):
        return self.ask(text=text)


class Deep(dspy.Module):
    """Predictors in lists of modules, made in a loop."""

    def __init__(self):
        super().__init__()
        self.levels = [Step(f"text -> notes{n}") for n in range(2)]
        self.ask = dspy.ChainOfThought("text, notes -> answer")

    def forward(self, text):
        notes = [step(text=text).toDict() for step in self.levels]
        return self.ask(text=text, notes=notes)


class OnTheFly(dspy.Module):
    """Makes a predictor for each call, which nobody can teach."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text, notes -> answer")

    def forward(self, text):
        notes = dspy.Predict("text -> notes")(text=text).notes
        return self.ask(text=text, notes=notes)


class Remembers(dspy.Module):
    """Keeps what it was asked before."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text -> answer")
        self.known = {}

    def forward(self, text):
        if text not in self.known:
            self.known[text] = self.ask(text=text)
        return self.known[text]


saved = dspy.ChainOfThought("text -> answer")
saved.load("optimized.json")
