"""The zoo's programs in plain DSPy: evaluated, given demos by DSPy's own optimizers, and loaded from our exports.

Run as `python -P oracle.py JOB RESULT`: nothing of ours is on its path. JOB says for each program which demos the
studio chose and where its exports are; here LabeledFewShot and BootstrapFewShot make programs with the same demos.
"""

import importlib
import importlib.util
import json
import os
import sys
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import dspy
from dspy.adapters.utils import serialize_for_json
from dspy.utils.hasher import Hasher

HERE = Path(__file__).resolve().parent


def _beside(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"zoo_{name}", HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


catalog, forking, wiring = _beside("catalog"), _beside("forking"), _beside("wire")


class Plain:
    """One program as its author runs it."""

    def __init__(self, case: Any) -> None:
        self.case = case
        self.wire = wiring.Wire({**catalog.SAYS, **case.says})
        self.wire.plug()
        os.chdir(HERE / "programs" / case.folder)
        sys.path.insert(0, str(Path.cwd()))
        self.home = importlib.import_module(case.imported_as)
        dspy.configure(lm=dspy.LM("openai/gpt-4o-mini", api_key="x", cache=False))
        self.metric = getattr(self.home, case.metric)
        self.bootstrap_metric = (
            self.metric if case.traced else lambda example, pred, trace: self.metric(example, pred)
        )
        self.train, self.val = self.rows(catalog.TRAIN), self.rows(catalog.VAL)

    def rows(self, numbers: Any) -> list[dspy.Example]:
        made = []
        for number in numbers:
            row = self.case.row(number)
            names = {**vars(self.home), "dspy": dspy, "row": row}
            typed = {name: eval(code, names) for name, code in self.case.typed.items()}
            made.append(dspy.Example({**row, **typed}).with_inputs(*self.case.inputs))
        return made

    def made(self) -> dspy.Module:
        """The program, made anew where it is made by a class or a function."""
        found = attrgetter(self.case.attribute)(self.home)
        if isinstance(found, type) and issubclass(found, dspy.Signature):
            return dspy.Predict(found)
        return found.deepcopy() if isinstance(found, dspy.Module) else found()

    def evaluated(self, program: dspy.Module) -> dict[str, Any]:
        """{score (the mean), scores, answers, requests} of `dspy.Evaluate` on the validation rows.

        A row that raised has None.
        """
        self.wire.taken()
        result = dspy.Evaluate(devset=self.val, metric=self.metric, num_threads=1)(self.runnable(program))
        # A row that raised has the failure score and an empty prediction of DSPy's.
        known = [
            float(score) if not isinstance(answer, dspy.Prediction) or len(answer) else None
            for _, answer, score in result.results
        ]
        return {
            "score": float(result.score) / 100,
            "scores": known,
            "answers": [shown(prediction) for _, prediction, _ in result.results],
            "requests": self.wire.taken(),
        }

    def teaching(self, most: int, rows: list[int]) -> dict[str, Any]:
        """BootstrapFewShot on the program: {compiled, rows, requests, calls}.

        Where a predictor is called several times in a run, BootstrapFewShot draws one of the calls, by a hash.
        `calls` has all of them, {row: {predictor: demos}}, for the rows that the studio took.
        """
        teacher = {"lm": dspy.LM("openai/gpt-4.1-mini", api_key="x", cache=False)}
        optimizer = dspy.BootstrapFewShot(
            metric=self.bootstrap_metric,
            metric_threshold=1.0,
            max_bootstrapped_demos=most,
            max_labeled_demos=0,
            teacher_settings=teacher,
        )
        self.wire.taken()
        compiled = optimizer.compile(self.runnable(self.made()), trainset=self.train)
        requests = self.wire.taken()
        passed = [place for place, row in enumerate(self.train) if row not in optimizer.validation]
        taken = passed if any(predictor.demos for predictor in compiled.predictors()) else []
        calls = {row: self.calls(self.runnable(self.made()), row, teacher) for row in rows}
        return {"compiled": compiled, "rows": taken, "requests": requests, "calls": calls}

    def calls(self, program: dspy.Module, row: int, teacher: dict[str, Any]) -> dict[str, list[dspy.Example]]:
        names = {id(predictor): name for name, predictor in program.named_predictors()}
        found: dict[str, list[dspy.Example]] = {name: [] for name in names.values()}
        with dspy.context(trace=[], **teacher):
            program(**self.train[row].inputs())
            trace = dspy.settings.trace
        for predictor, inputs, outputs in trace:
            if id(predictor) in names:
                found[names[id(predictor)]].append(dspy.Example(augmented=True, **inputs, **outputs))
        return found

    def runnable(self, program: dspy.Module) -> dspy.Module:
        return dspy.syncify(program) if self.case.synced else program

    def with_demos(self, chosen: dict[str, list[dict[str, Any]]], taught: dict[str, Any]) -> dspy.Module:
        """The program with the demos that `chosen` names by row (and call), each as DSPy's own optimizer makes it."""
        labelled = dspy.LabeledFewShot(k=len(self.train)).compile(self.made(), trainset=self.train, sample=False)
        labels, compiled = dict(labelled.named_predictors()), dict(taught["compiled"].named_predictors())
        program = self.made()
        for name, predictor in program.named_predictors() if chosen else ():
            demos = []
            for place, demo in enumerate(chosen[name]):
                if not demo["augmented"]:
                    demos.append(labels[name].demos[demo["row"]])
                    continue
                calls = taught["calls"][demo["row"]][name]
                # In the order of a trace calls of threads stand as they came, so the fields go first.
                shown_calls = [shown(call) for call in calls]
                assert shown(compiled[name].demos[place]) in shown_calls, f"{name}: demo {place} is no call there"
                same = [
                    at for at, fields in enumerate(shown_calls) if fields == {"augmented": True, **demo["fields"]}
                ]
                demos.append(calls[(same or [demo["call"]])[0]])
            predictor.demos = demos
        return program


def snippet(code: str, export: Path) -> dspy.Module:
    """The program that a loading snippet makes, run as a script in the person's folder up to where it asks."""
    lines = code.replace('"program.json"', json.dumps(str(export))).rstrip().splitlines()
    assert lines[-1].startswith("print("), lines[-1]
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("\n".join(lines[:-1]), "snippet.py", "exec"), names)
    return names["program"]


def shown(prediction: Any) -> Any:
    """A prediction as JSON values, as DSPy shows them to a model."""
    if hasattr(prediction, "items"):
        return {str(name): serialize_for_json(value) for name, value in prediction.items()}
    return serialize_for_json(prediction)


def work(name: str, told: dict[str, Any]) -> dict[str, Any]:
    """Everything about one program; only the baseline where the studio did not get through."""
    plain = Plain(catalog.CASES[name])
    answer: dict[str, Any] = {"baseline": plain.evaluated(plain.made())}
    if "candidates" not in told:
        return answer
    chosen = [demo for facts in told["candidates"].values() for demos in facts["demos"].values() for demo in demos]
    taught = plain.teaching(told["most"], sorted({demo["row"] for demo in chosen if demo["augmented"]}))
    answer |= {"teacher": taught["requests"], "rows": taught["rows"], "candidates": {}}
    for candidate, facts in told["candidates"].items():
        few = plain.evaluated(plain.with_demos(facts["demos"], taught)) if facts["demos"] else answer["baseline"]
        answer["candidates"][candidate] = {"plain": few}
    for candidate, facts in told["candidates"].items():  # a snippet may load into the one program that its file makes
        both, path = answer["candidates"][candidate], Path(facts["export"])
        both["export"] = plain.evaluated(snippet(facts["snippet"], path))
        if any(both["export"][part] != both["plain"][part] for part in ("answers", "requests")):
            # What was in memory is not always what a file can hold: DSPy's own file says what is right then.
            plain.with_demos(facts["demos"], taught).save(path)
            both["saved"] = plain.evaluated(snippet(facts["snippet"], path))
    answer["ours"] = sorted(one for one in sys.modules if one.partition(".")[0] in ("mipro_studio", "optimizer_core"))
    return answer


def main(job: Path, result: Path) -> None:
    # It only draws which of several calls becomes the demo, and pickles, which demos with tools in them do not stand.
    Hasher.hash = classmethod(lambda cls, value: repr(value))
    wiring.prepare()
    told = json.loads(job.read_text())
    done = forking.forked(
        told["studio"], lambda name: work(name, told["studio"][name]), result.parent, told["at_once"]
    )
    result.write_text(json.dumps(done))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
