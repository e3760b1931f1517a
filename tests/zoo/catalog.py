"""The programs of the zoo: where each is, its rows, and what the scripted model says to it.

Imports nothing of ours and no DSPy, so that every process of the zoo can read it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CASES", "TRAIN", "VAL", "Case"]

TRAIN = (1, 4, 2, 3)
VAL = (12, 13, 14)
"""The numbers that rows are about. The model is wrong about 4 and 14, see `guess`."""

Row = dict[str, Any]
Say = Callable[[int, str], Any]


def text(n: int) -> str:
    return f"Tell me about item {n}."


def parity(n: int) -> str:
    return "odd" if n % 2 else "even"


def guess(n: int, said: str = "") -> str:
    """What the model answers: the parity, but for every fifth number."""
    return parity(n + 1) if n % 5 == 4 else parity(n)


def labelled(n: int) -> Row:
    return {"text": text(n), "answer": parity(n)}


def of(value: Callable[[int], Any]) -> dict[str, Any]:
    """Rows labelled with `value` of their number, and a model that is wrong where `guess` is."""
    return {
        "row": lambda n: {"text": text(n), "answer": value(n)},
        "says": {"answer": lambda n, said: value(n + 1 if n % 5 == 4 else n)},
    }


def deciding(value: Callable[[int], Any], evidence: Callable[[Any], Row]) -> dict[str, Any]:
    """Rows labelled with `value` of their number, of which the model gives evidence."""
    said = of(value)["says"]["answer"]
    return {**of(value), "says": {"answer": lambda n, end: evidence(said(n, end))}}


def chosen(word: str) -> Row:
    return {"probabilities": {one: 0.75 if one == word else 0.25 for one in ("odd", "even")}, "confidence": 0.5}


def graded(level: float) -> Row:
    return {"probabilities": {str(one): float(one == level) for one in range(3)}, "confidence": 1.0}


def given(value: Callable[[int], Any]) -> dict[str, Any]:
    """Rows with an input `given` beside the text."""
    return {"row": lambda n: {"given": value(n), **labelled(n)}}


@dataclass(frozen=True)
class Case:
    """One program.

    Attributes:
        program: `file.py:attribute` or `package.module:attribute` below `folder`.
        folder: Below `programs`; the person's working folder.
        module: How plain Python imports it; None = the file's name.
        row: The row about a number, as JSON.
        format: Of the data file; in a CSV file everything is text.
        typed: How a person writes the inputs of a row in code, which is how plain DSPy gets them: by input, an
            expression over `row` and the names of the program's module.
        inputs: Named by hand where it is not the program's text alone.
        metric: The metric's name in the program's file.
        says: What the model says, beside `SAYS`.
        traced: The metric takes a trace; one that does not cannot be given to DSPy's bootstrapping as it is.
        synced: An asynchronous program, which plain DSPy evaluates through `dspy.syncify`.
    """

    name: str
    program: str
    folder: str = ""
    module: str | None = None
    row: Callable[[int], Row] = labelled
    format: str = "jsonl"
    typed: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ("text",)
    metric: str = "metric"
    says: Mapping[str, Say] = field(default_factory=dict)
    traced: bool = True
    synced: bool = False

    @property
    def attribute(self) -> str:
        return self.program.partition(":")[2]

    @property
    def imported_as(self) -> str:
        target = self.program.partition(":")[0]
        return self.module or target.removesuffix(".py")


def tool(n: int, said: str) -> str:
    return "finish" if "observation_0" in said else "look_up"


def tool_args(n: int, said: str) -> Row:
    return {} if "observation_0" in said else {"number": str(n)}


def calls(n: int, said: str) -> Row:
    """A call of a tool, and what was found out once there is a result to be seen."""
    if "call_1" in said or "tool_call_results" in said:
        return {"tool_calls": [{"id": "call_2", "name": "submit", "args": {"answer": guess(n)}}]}
    return {"tool_calls": [{"id": "call_1", "name": "look_up", "args": {"number": str(n)}}]}


def explores(n: int, said: str) -> str:
    """Code of an RLM: a look at its input, then the answer."""
    code = f"SUBMIT(answer={guess(n)!r})" if "seen:" in said else "print('seen:', text, triple(number=1))"
    return f"```python\n{code}\n```"


SAYS: Mapping[str, Say] = {
    "answer": guess,
    "rating": lambda n, said: 1 + (n + (n % 5 == 4)) % 5,
    "next_tool_name": tool,
    "next_tool_args": tool_args,
    "next_thought": lambda n, said: "enough" if "observation_0" in said else "I shall look it up",
    "tool_calls": calls,
    "found": lambda n, said: {"answer": guess(n), "left": n * 3},
    "generated_code": lambda n, said: f"```python\nSUBMIT({{'answer': {n} * 3}})\n```",
    "finished": lambda n, said: "triple" in said or n % 2 == 1,
    "verdict": lambda n, said: {"word": guess(n), "sure": n % 3 == 0},
    "right": lambda n, said: guess(n) == parity(n),
    "advice": lambda n, said: {"guess.predict": "Think of halves.", "predict": "Think of halves."},
    "precision": lambda n, said: 0.5 if n % 5 == 4 else 1.0,
    "recall": lambda n, said: 0.5 if n % 5 == 4 else 1.0,
    "note": lambda n, said: {"day": "2026-03-04", "grade": "poor"},
    "grades": lambda n, said: ["good", "poor"],
}
LEVELS = ("low", "high")


def item(n: int) -> Row:
    return {"name": "bolts", "count": n, "level": LEVELS[n % 2]}


def lines(n: int) -> list[Row]:
    return [item(n), item(n + 1)]


def shape(n: int) -> Row:
    return {"kind": "circle", "radius": n / 2} if n % 2 else {"kind": "square", "side": n}


def conversation(n: int) -> Row:
    return {"messages": [{"text": f"What of item {n + 50}?", "answer": parity(n)}]}


PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw=="
SOUND = {"data": "UklGRiQAAABXQVZFZm10IBAAAAABAAEA", "audio_format": "wav"}
FILE = {"file_data": "data:application/pdf;base64,aGVsbG8="}

VALUES = [
    Case("int", "values.py:Count", **of(lambda n: n)),
    Case("float", "values.py:Share", metric="half_full", **of(lambda n: n / 4)),
    Case("bool", "values.py:Truth", **of(lambda n: n % 2 == 0)),
    Case("dictionary", "values.py:Table", **of(lambda n: {parity(n): n})),
    Case("tuple", "values.py:Pair", metric="same_pair", **of(lambda n: [parity(n), n])),
    Case("optional output", "values.py:Maybe", **of(parity)),
    Case("literal", "values.py:Label", **of(parity)),
    Case("date", "values.py:Day", metric="same_day", **of(lambda n: f"2026-02-{n:02}")),
    Case("enum", "values.py:Rated", metric="same_level", **of(lambda n: LEVELS[n % 2])),
    Case("int enum", "values.py:Sized", metric="same_level", **of(lambda n: 1 + n % 2)),
    Case("record", "values.py:Line", metric="same_line", **of(item)),
    Case("list of records", "values.py:Lines", metric="same_lines", **of(lines)),
    Case(
        "nested record",
        "values.py:Ordered",
        metric="same_order",
        **of(lambda n: {"lines": lines(n), "due": f"2026-03-{n:02}", "note": None}),
    ),
    Case("dataclass", "values.py:Placed", metric="same_point", **of(lambda n: {"x": n, "y": 1})),
    Case("typed dict", "values.py:Filmed", metric="same_film", **of(lambda n: {"title": "It", "year": 1990 + n})),
    Case(
        "code",
        "values.py:Coded",
        metric="runs",
        row=lambda n: {"text": text(n), "answer": parity(n)},
        says={"answer": lambda n, said: f"```python\nanswer = {guess(n)!r}\n```"},
    ),
    Case("list of enums", "values.py:Levels", metric="same_levels", **of(lambda n: [LEVELS[n % 2], "low"])),
    Case("optional record", "values.py:MaybeItem", metric="same_item", **of(lambda n: item(n) if n % 2 else None)),
    Case("records by name", "values.py:Named", metric="same_named", **of(lambda n: {"first": item(n)})),
    Case("set", "values.py:Tags", metric="same_tags", **of(lambda n: [parity(n)])),
    Case(
        "record with an alias",
        "values.py:Counted",
        metric="same_total",
        **of(lambda n: {"totalCount": n, "when": "09:30:00"}),
    ),
    Case("union of records", "values.py:Shaped", metric="same_shape", **of(shape)),
    Case("reasoning and record", "values.py:Thinking", metric="same_line", **of(item)),
    Case(
        "renamed label",
        "values.py:Rater",
        metric="close",
        row=lambda n: {"text": text(n), "gold": 1 + n % 5},
    ),
]

INPUTS = [
    Case(
        "record as input",
        "inputs.py:OfPart",
        inputs=("given", "text"),
        typed={"given": "Part(**row['given'])"},
        **given(lambda n: {"name": "steel", "kind": "nut"}),
    ),
    Case(
        "records as input",
        "inputs.py:OfParts",
        inputs=("given", "text"),
        typed={"given": "[Part(**one) for one in row['given']]"},
        **given(lambda n: [{"name": "steel"}, {"name": "brass", "kind": "nut"}]),
    ),
    Case(
        "enum as input",
        "inputs.py:OfKind",
        inputs=("given", "text"),
        typed={"given": "Kind(row['given'])"},
        **given(lambda n: "nut" if n % 2 else "bolt"),
    ),
    Case(
        "date as input",
        "inputs.py:OnDay",
        inputs=("given", "text"),
        typed={"given": "datetime.date.fromisoformat(row['given'])"},
        **given(lambda n: f"2026-02-{n:02}"),
    ),
    Case(
        "image",
        "inputs.py:OfImage",
        inputs=("given", "text"),
        typed={"given": "dspy.Image(row['given'])"},
        **given(lambda n: PIXEL if n % 2 else f"https://example.com/{n}.png"),
    ),
    Case(
        "images",
        "inputs.py:OfImages",
        inputs=("given", "text"),
        typed={"given": "[dspy.Image(one) for one in row['given']]"},
        **given(lambda n: [PIXEL, f"https://example.com/{n}.png"]),
    ),
    Case(
        "audio and a file's name",
        "inputs.py:OfAudio",
        inputs=("given", "file", "text"),
        typed={"given": "dspy.Audio(**row['given'])", "file": "dspy.File(**row['file'])"},
        row=lambda n: {"given": SOUND, "file": {**FILE, "filename": "hello.pdf"}, **labelled(n)},
    ),
    Case(
        "code as input",
        "inputs.py:OfCode",
        inputs=("given", "text"),
        typed={"given": "dspy.Code(code=row['given'])"},
        **given(lambda n: f"print({n})"),
    ),
    Case(
        "history",
        "inputs.py:Chat",
        inputs=("given", "text"),
        typed={"given": "dspy.History(**row['given'])"},
        **given(conversation),
    ),
    Case(
        "null input",
        "inputs.py:Perhaps",
        inputs=("given", "text"),
        **given(lambda n: None if n % 2 else "a hint"),
    ),
    Case("defaulted parameter", "inputs.py:Defaulted"),
    Case("default in the signature", "inputs.py:SignatureDefault"),
    Case(
        "numbers as inputs",
        "inputs.py:Numbers",
        inputs=("text", "first", "second", "strict"),
        row=lambda n: {**labelled(n), "first": n, "second": n / 2, "strict": n % 2 == 0},
    ),
    Case(
        "a type of one's own",
        "inputs.py:Priced",
        inputs=("price", "parts", "text"),
        row=lambda n: {"price": {"amount": n / 4}, "parts": [{"a": n}], **labelled(n)},
        typed={"price": "Money(**row['price'])"},
        says={"size": lambda n, said: 1 + n % 3, "note": lambda n, said: f"note {n}"},
    ),
    Case(
        "numbers from a CSV file",
        "inputs.py:Numbers",
        inputs=("text", "first", "second", "strict"),
        row=lambda n: {**labelled(n), "first": str(n), "second": str(n / 2), "strict": ("false", "true")[n % 2]},
        format="csv",
        typed={"first": "int(row['first'])", "second": "float(row['second'])", "strict": "row['strict'] == 'true'"},
    ),
    Case(
        "a list from a CSV file",
        "inputs.py:Listing",
        inputs=("text", "given"),
        format="csv",
        typed={"given": "__import__('json').loads(row['given'])"},
        **given(lambda n: json.dumps(["a", f"b{n}"])),
    ),
    Case(
        "a conversation from a CSV file",
        "inputs.py:Chat",
        inputs=("given", "text"),
        format="csv",
        typed={"given": "dspy.History(**__import__('json').loads(row['given']))"},
        **given(lambda n: json.dumps(conversation(n))),
    ),
    Case(
        "a picture beside the program",
        "inputs.py:OfImage",
        inputs=("given", "text"),
        typed={"given": "dspy.Image.from_path(row['given'])"},
        **given(lambda n: "pixel.gif"),
    ),
    Case(
        "a column called base",
        "inputs.py:OddlyNamed",
        inputs=("base", "text"),
        row=lambda n: {"base": f"base {n}", "self": "me", "dspy_uid": n, "keys": "k", **labelled(n)},
    ),
    Case(
        "forward(**kwargs)",
        "inputs.py:Keywords",
        inputs=("text", "place"),
        row=lambda n: {**labelled(n), "place": "here"},
    ),
]

AGENTS = [
    Case("a bare ReAct", "agents.py:agent"),
    Case(
        "ReAct with typed answers",
        "agents.py:Clerk",
        says={"next_tool_name": lambda n, said: tool(n, said).replace("look_up", "stock")},
    ),
    Case("tools called by hand", "agents.py:Native"),
    Case("ReActV2", "agents.py:second_react"),
    Case("CodeAct", "agents.py:code_act"),
    Case("ProgramOfThought", "agents.py:program_of_thought"),
    Case("RLM", "agents.py:recursive", says={"code": explores}),
    Case("MultiChainComparison", "agents.py:Compare"),
    Case("BestOfN", "agents.py:Best"),
    Case("Refine", "agents.py:Refined"),
    Case("several completions", "agents.py:Majority"),
    Case("reads its own source", "agents.py:Explains"),
]

TOGETHER = [
    Case("dspy.Parallel", "together.py:ByParallel"),
    Case("module.batch", "together.py:ByBatch"),
    Case("a pool of one's own", "together.py:ByPool"),
    Case("threads of one's own", "together.py:ByThread"),
    Case("asyncio.run and gather", "together.py:ByLoop"),
    Case("syncify", "together.py:BySyncify"),
    Case("asyncify", "together.py:ByAsyncify"),
    Case("aforward only", "together.py:OnlyAsync", synced=True),
]

SHAPES = [
    Case("nested", "shapes.py:Nested"),
    Case("listed", "shapes.py:Listed"),
    Case("held in a dictionary", "shapes.py:Held"),
    Case("shared", "shapes.py:Shared"),
    Case("frozen part", "shapes.py:Frozen"),
    Case("looping", "shapes.py:Looping"),
    Case("instructions in code", "shapes.py:Instructed"),
    Case("returns text", "shapes.py:Bare", metric="bare_metric"),
    Case("returns a dictionary", "shapes.py:Mapping", metric="mapped_metric"),
    Case("factory", "shapes.py:factory"),
    Case("instance", "shapes.py:instance"),
    Case("raises on a row", "shapes.py:Sometimes"),
    Case("demos for one call", "shapes.py:Cautious"),
    Case("keyword-only parameters", "shapes.py:KeywordOnly"),
    Case("a predictor of one's own kind", "shapes.py:OwnPredictor"),
    Case("modules in a list", "shapes.py:Deep"),
    Case("predictors made on the fly", "shapes.py:OnTheFly"),
    Case("remembers answers", "shapes.py:Remembers"),
    Case("loaded from its own file", "shapes.py:saved"),
    Case("converses with itself", "shapes.py:Conversing"),
    Case("goes on when a step fails", "shapes.py:Hurt"),
]

SEEN = [
    Case("forward of its steps", "seen.py:Directly"),
    Case("aforward of its steps", "seen.py:AwaitedDirectly", synced=True),
    Case("no call of the base class", "seen.py:NoSuper", metric="in_tuples"),
    Case(
        "a row as one dictionary",
        "seen.py:WholeRecord",
        metric="in_record",
        inputs=("record",),
        row=lambda n: {"record": {"id": n, "text": text(n)}, "answer": parity(n)},
    ),
    Case(
        "returns a record",
        "seen.py:Reviewer",
        says={"review": lambda n, said: {"effort_[0-9]": n % 10, "answer": guess(n)}},
    ),
    Case("corrects a prediction", "seen.py:Correcting", metric="in_upper_case"),
    Case("steps asked by an object", "seen.py:InSession"),
    Case("goes through its methods", "seen.py:ByMethods"),
    Case("a method as a tool", "seen.py:Delegating"),
    Case(
        "a subclass of ReAct",
        "seen.py:Kept",
        inputs=("given", "text"),
        typed={"given": "dspy.History(**row['given'])"},
        **given(conversation),
        says={"next_tool_name": lambda n, said: tool(n, said).replace("look_up", "stock")},
    ),
    Case("inside of an object", "seen.py:app.program"),
]

MODELS = [
    Case("a model for each predictor", "models.py:OwnModels"),
    Case("a model for one predictor", "models.py:OneOwnModel"),
    Case("options by predictor", "models.py:Configured"),
    Case("another model in context", "models.py:InContext"),
    Case("a copy of the model", "models.py:CopiedModel"),
    Case("the model called directly", "models.py:DirectCall"),
    Case("the model's history", "models.py:Remembering"),
    Case("the predictor's history", "models.py:OwnHistory"),
    Case("an engine of one's own", "models.py:OwnEngine"),
    Case("made with the configured model", "models.py:MadeWithIt"),
    Case("a model class of one's own", "models.py:OwnClass"),
    Case("a model for a part", "models.py:InModule"),
]

ADAPTERS = [
    Case(
        name.replace("_", " "),
        f"{name}.py:Program",
        folder="adapters",
        says={"notes": lambda n, said: [f"note {n}", "another"]},
    )
    for name in (
        "json_adapter",
        "xml_adapter",
        "two_step",
        "baml",
        "written_by_hand",
        "in_context",
        "native_tools",
    )
]

BRINGING = [
    Case("demos brought along", "bringing.py:Shown"),
    Case("demos that are no JSON", "bringing.py:ShownTyped"),
    Case("demos as dictionaries", "bringing.py:ShownDicts"),
    Case("augmented demos", "bringing.py:ShownAugmented"),
    Case("lock and database", "bringing.py:Locked"),
    Case("generator", "bringing.py:Streaming"),
    Case("embeddings", "bringing.py:Retrieving"),
    Case("nearest neighbours", "bringing.py:Neighbours"),
    Case("dspy.Retrieve", "bringing.py:Searching"),
]

JUDGING = [
    Case("metric: of two", "judging.py:Guess", metric="of_two", traced=False),
    *(
        Case(f"metric: {name.replace('_', ' ')}", "judging.py:Guess", metric=name)
        for name in (
            "of_three",
            "of_five",
            "of_numpy",
            "by_model",
            "by_own_model",
            "scaled",
            "exact",
            "by_history",
            "by_completions",
            "panel",
        )
    ),
    Case(
        "metric: by labels",
        "judging.py:Guess",
        metric="by_labels",
        row=lambda n: {**labelled(n), "weight": 1.0 + n % 2},
    ),
    Case(
        "metric: semantic",
        "judging.py:guess_response",
        metric="semantic",
        row=lambda n: {"question": text(n), "response": parity(n)},
        inputs=("question",),
        says={"response": guess},
    ),
]

WATCHED = [
    Case("usage in the metric", "watched.py:Metered", metric="by_usage"),
    Case("usage in the program", "watched.py:Tracking"),
    Case("callbacks", "watched.py:Called"),
    Case("prints", "watched.py:Talking"),
    Case("the trace", "watched.py:Tracing"),
]

PLACES = [
    Case("package", "desk.program:Desk", folder="package"),
    Case("file in a package", "desk/program.py:Desk", folder="package", module="desk.program"),
    Case("files beside it", "reads_files.py:Program", folder="beside"),
    Case("names of ours", "program.py:Program", folder="neighbours"),
    Case("an odd file name", "odd-name v2.py:Ask"),
    Case("configured at import", "configured.py:program"),
    Case("a signature", "configured.py:Ask"),
]


def invoice(n: int) -> Row:
    sold = {"lineTotal": f"{n}.50", "soldOn": f"2026-02-{n:02}", "tags": ["open", "paid"][: n % 3]}
    return {"number": f"a{n}", "lines": [sold, {**sold, "tags": None}], "status": "paid", "po": "x"}


PRACTICE = [
    Case("an invoice", "practice.py:invoices", metric="same_invoice", **of(invoice)),
    Case(
        "a discriminated union",
        "practice.py:owners",
        metric="same_dump",
        **of(lambda n: {"pet": {"kind": "cat", "lives": n} if n % 2 else {"kind": "dog", "barks": True}}),
    ),
    Case(
        "a generic record",
        "practice.py:boxes",
        metric="same_dump",
        **of(lambda n: {"content": ["open", "paid"][n % 2], "sure": 0.5}),
    ),
    Case("a named tuple", "practice.py:spots", metric="same_spot", **of(lambda n: [n, "a"])),
    Case("a dictionary by enum", "practice.py:by_status", metric="same_by_status", **of(lambda n: {"open": n})),
    Case("a dspy.Type", "practice.py:events", metric="same_event", **of(lambda n: {"title": "x", "hour": n})),
    Case("a decimal", "practice.py:moneys", metric="same_text", **of(lambda n: f"{n}.10")),
    Case("a choice with its confidence", "practice.py:choices", metric="same_value", **deciding(parity, chosen)),
    Case("a choice as its word", "practice.py:natives", **deciding(parity, chosen)),
    Case(
        "a truth with its confidence",
        "practice.py:truths",
        metric="same_value",
        **deciding(lambda n: n % 2 == 0, lambda even: {"noul": 0.875 if even else 0.125}),
    ),
    Case("a graded score", "practice.py:grades", metric="same_value", **deciding(lambda n: float(n % 3), graded)),
    Case("a number with limits", "practice.py:stars", **of(lambda n: n)),
    Case(
        "an image in a record",
        "practice.py:Looks",
        inputs=("page", "text"),
        typed={
            "page": "Page(title='t', picture=dspy.Image(row['page']['picture']) if row['page']['picture'] else None)"
        },
        row=lambda n: {"page": {"title": "t", "picture": PIXEL if n % 2 else None}, **labelled(n)},
    ),
    Case(
        "structured parameters",
        "practice.py:Structured",
        inputs=("settings", "films", "when", "text"),
        typed={"settings": "Settings(**row['settings'])", "when": "datetime.datetime.fromisoformat(row['when'])"},
        row=lambda n: {
            "settings": {"depth": n, "names": ["x"]},
            "films": [{"title": "It"}],
            "when": "2026-01-02T03:04:05",
            **labelled(n),
        },
    ),
    Case("tools that are awaited", "practice.py:AsyncTools", synced=True),
    Case("tools of a server", "practice.py:ServedTools"),
    Case("rollouts", "practice.py:Rollouts"),
    Case("an ensemble", "practice.py:ensemble"),
    Case("saved with its code", "practice.py:loaded_whole"),
    Case("a reward that asks a model", "practice.py:JudgedRetry"),
    Case("state of its own", "practice.py:OwnState"),
    Case("puts out a record", "practice.py:PutsOutARecord"),
]

CASES: Mapping[str, Case] = {
    case.name: case
    for case in (
        *VALUES,
        *INPUTS,
        *AGENTS,
        *TOGETHER,
        *SHAPES,
        *SEEN,
        *MODELS,
        *ADAPTERS,
        *BRINGING,
        *JUDGING,
        *WATCHED,
        *PLACES,
        *PRACTICE,
    )
}
