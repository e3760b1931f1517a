"""The command `gate`: may this program take the other's place? For CI: an exit code, a comment, a test report."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from xml.etree import ElementTree

import typer

from mipro_studio.commands import output
from mipro_studio.commands.options import ApiBaseOption, ApiKeyOption, JsonOption, SettingsOption, StoreOption
from mipro_studio.commands.run import given_only
from mipro_studio.control.asking import ask_worker
from mipro_studio.optimizer_core.config_paths import assigned, merge
from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.files import write_private
from mipro_studio.storage import default_store

__all__ = ["junit", "markdown", "register", "sentence"]

EXIT = {"pass": 0, "fail": 1, "undecided": 3}
WORDS = {"pass": "may go out", "fail": "must not go out", "undecided": "cannot be told"}


class RuleName(StrEnum):
    NO_REGRESSION = "no-regression"
    IMPROVEMENT = "improvement"


class Undecided(StrEnum):
    """What the exit code says where the rows do not suffice."""

    STAND = "3"
    PASS = "pass"
    FAIL = "fail"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("gate")(gate)


def gate(  # noqa: PLR0913 - the options of a command
    run: Annotated[str | None, typer.Option(help="Take program, metric, model and winner from this run.")] = None,
    program: Annotated[str | None, typer.Option(help="path.py[:attr] or package.module:attr, without a run.")] = None,
    candidate: Annotated[
        str | None, typer.Option(help="A saved program's JSON, or a candidate's id.", show_default="the winner")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Likewise, what it is held against.", show_default="the program as it stands")
    ] = None,
    data: Annotated[str, typer.Option(help="Rows that no search has seen: a file, or path.py:name.")] = "",
    rule: Annotated[RuleName, typer.Option(help="What has to be shown.")] = RuleName.NO_REGRESSION,
    margin: Annotated[float, typer.Option(help="Loss that must not pass, or gain that must not be missed.")] = 0.05,
    confidence: Annotated[float, typer.Option(help="1 - the chance of each wrong decision.")] = 0.9,
    score_range: Annotated[str, typer.Option("--range", help="Lowest and highest score of the metric.")] = "0,1",
    undecided: Annotated[Undecided, typer.Option(help="Exit code where the rows are too few.")] = Undecided.STAND,
    metric: Annotated[str | None, typer.Option(help="As for `run`.")] = None,
    task_model: Annotated[str | None, typer.Option(help="As for `run`.")] = None,
    api_base: ApiBaseOption = None,
    api_key_env: ApiKeyOption = None,
    settings: SettingsOption = None,
    seed: Annotated[int, typer.Option(help="Of the order of the rows.")] = 0,
    max_usd: Annotated[float | None, typer.Option(help="Cap in dollars, where prices are known.")] = None,
    examples: Annotated[int, typer.Option(help="Rows won and lost that the comment shows.", min=0)] = 5,
    markdown_out: Annotated[Path | None, typer.Option("--markdown", help="File for the comment.")] = None,
    junit_out: Annotated[Path | None, typer.Option("--junit", help="File for the test report.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold a program against another on the same rows. Exit codes: 0 pass, 1 fail, 2 bad input, 3 undecided."""
    if (run is None) == (program is None):
        raise BadInput("Name either --run RUN or --program PROGRAM.")
    if not data:
        raise BadInput("There are no rows.", "Name them with --data: rows that no search has seen.")
    low, high = _range(score_range)
    model = given_only(model=task_model, api_base=api_base, api_key_env=api_key_env)
    budget = given_only(max_usd=max_usd or None)
    named = given_only(program=program, metric=metric, task_model=model, budget=budget)
    config = merge(named, assigned(settings or ()))
    request = {
        "cwd": str(Path.cwd()),
        "store": str((store or default_store()).absolute()),
        "run": run,
        "config": merge(config, {"data": {"data": data}, "seed": seed}),
        "candidate": candidate or "",
        "baseline": baseline or "",
        "ruling": {"rule": rule, "margin": margin, "confidence": confidence, "low": low, "high": high},
        "examples": examples,
    }
    found = ask_worker(["gate"], config, request)
    _written(markdown_out, markdown(found))
    _written(junit_out, junit(found))
    output.print_json(found) if as_json else typer.echo(_plain(found))
    raise typer.Exit(_exit_code(found["decision"], undecided))


def _exit_code(decision: str, undecided: Undecided) -> int:
    return EXIT.get(undecided.value, EXIT["undecided"]) if decision == "undecided" else EXIT[decision]


def _range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise BadInput(f"--range {text!r} is not two numbers like 0,1.") from error
    return low, high


def _written(path: Path | None, text: str) -> None:
    if path is None:
        return
    try:
        write_private(path, text.encode())
    except OSError as error:
        raise StudioError(f"{path} could not be written: {error.strerror}.") from error


def sentence(found: dict[str, Any]) -> str:
    """The rule, in words."""
    margin, sure = f"{found['margin']:g}", f"{found['confidence']:.0%}"
    if found["rule"] == RuleName.NO_REGRESSION:
        return (
            f"It passes when it is shown with {sure} confidence to be worse by less than {margin}, and fails when it "
            f"is shown with {sure} confidence to be worse."
        )
    return (
        f"It passes when it is shown with {sure} confidence to be better, and fails when it is shown with {sure} "
        f"confidence to be better by less than {margin}."
    )


def _facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    paired, means = found["paired"], found["means"]
    errors = {which: ", ".join(f"{n} {kind}" for kind, n in told.items()) for which, told in found["errors"].items()}
    between = "-" if paired["low"] is None else f"{paired['low']:+.3f} to {paired['high']:+.3f}"
    return [
        ("baseline", f"{_number(means['baseline'])} ({found['baseline']})"),
        ("candidate", f"{_number(means['candidate'])} ({found['candidate']})"),
        ("difference", f"{_number(paired['difference'], '+')}, {paired['level']:.0%} interval {between}"),
        ("won, lost, tied", f"{paired['won']}, {paired['lost']}, {paired['tied']}"),
        ("rows", f"{found['used']} compared of {found['rows']}, {found['left_out']} left out"),
        ("no answer", "; ".join(f"{which}: {told}" for which, told in errors.items() if told) or "none"),
    ]


def _number(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.3f}"


def _plain(found: dict[str, Any]) -> str:
    lines = [f"{found['decision'].upper()}: the candidate {WORDS[found['decision']]}. {found['reason']}".rstrip()]
    lines += [f"{name:16} {value}" for name, value in _facts(found)]
    return "\n".join([*lines, *found["notes"], sentence(found)])


def markdown(found: dict[str, Any]) -> str:
    """A comment for a pull request. What comes from rows and models stands in fences, where it is only text."""
    marks = {"pass": "✅", "fail": "❌", "undecided": "⚪"}
    lines = [
        f"### {marks[found['decision']]} Prompt gate: {found['decision']}",
        "",
        f"The candidate {WORDS[found['decision']]}. {_inline(found['reason'])}".rstrip(),
        "",
        f"| | {_inline(found['program'])}, {_inline(found['metric'])} |",
        "|---|---|",
        *(f"| {name} | {_inline(value)} |" for name, value in _facts(found)),
        "",
        *(f"> {note}" for note in found["notes"]),
        f"<sub>{sentence(found)} The test looks after every row and stops when it is clear; the interval is of the "
        "rows that it read.</sub>",
    ]
    for title, rows in (("Worse", found["lost"]), ("Better", found["won"])):
        for row in rows:
            before, after = row["baseline"], row["candidate"]
            scores = f"{_number(before['score'])} → {_number(after['score'])}"
            body = "\n".join(
                f"{name}: {_text(value)}"
                for name, value in (
                    ("input", row["inputs"]),
                    ("wanted", row["labels"]),
                    ("baseline", before["answer"]),
                    ("candidate", after["answer"]),
                )
            )
            lines += ["", f"<details><summary>{title}: {scores}</summary>", "", *_fenced(body), "", "</details>"]
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    return ", ".join(f"{name}={item}" for name, item in value.items())[:1000]


def _fenced(text: str) -> list[str]:
    """A block that nothing in `text` can end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", text, fence]


def _inline(text: str) -> str:
    """`text` in a cell of a table: nothing in it is markup, a mention or a link."""
    plain = " ".join(text.split())
    return re.sub(r"([\\`*_{}\[\]<>#|~!@])", r"\\\1", plain)


def junit(found: dict[str, Any]) -> str:
    """One test: the gate. Undecided is an error, which test reports tell from a failure."""
    failed, broken = found["decision"] == "fail", found["decision"] == "undecided"
    counts = {"tests": "1", "failures": str(int(failed)), "errors": str(int(broken)), "skipped": "0"}
    suite = ElementTree.Element("testsuite", {"name": "mipro-studio gate", **counts})
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _facts(found):
        ElementTree.SubElement(properties, "property", {"name": name, "value": _xml(value)})
    case = ElementTree.SubElement(
        suite, "testcase", {"classname": "gate", "name": f"{found['rule']} {found['margin']:g}"}
    )
    if failed or broken:
        words = _xml(f"The candidate {WORDS[found['decision']]}. {found['reason']}".strip())
        told = ElementTree.SubElement(case, "failure" if failed else "error", {"message": words})
        told.text = _xml(_plain(found))
    root = ElementTree.Element("testsuites", counts)
    root.append(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _xml(text: str) -> str:
    """Without the control characters that XML has no way to write."""
    return (
        "".join(letter for letter in text if letter in "\t\n\r" or letter >= " ").encode("utf-8", "replace").decode()
    )
