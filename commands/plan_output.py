"""What a request would do and cost, on a terminal, before anything is started."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mipro_studio.commands.output import print_json

__all__ = ["show_plan"]


def show_plan(found: dict[str, Any], as_json: bool) -> None:
    """What a request would cost, and what every preset would mean for it; `found` is `new_runs.inspect`'s."""
    plan, config, presets = found["plan"], found["config"], found["presets"]
    said = [*found["warnings"], *(f"{text} A run needs --yes." for text in found.get("consent", ()))]
    if as_json:
        settings = {key: config[key] for key in ("optimizer", "preset", "search", "proposer", "budget")}
        data = {key: found["data"][key] for key in ("columns", "inputs", "labels", "splits", "report")}
        more = {"warnings": said, "rehearsal": found["rehearsal"], "refusal": found["refusal"]}
        print_json({**settings, "data": data, "plan": plan, "presets": presets, **more})
        return
    console = Console()
    rows = Table(show_header=False, box=None, pad_edge=False)
    for name, value in {
        "tried": _tried(found["rehearsal"]),
        "optimizer": f"{config['optimizer']}, preset {config['preset']}",
        "trials": f"{plan['trials']} of {plan['minibatch_size']} validation rows, at most",
        "full evaluations": f"{plan['full_evaluations']}, at most, the baseline's included",
        "program runs": f"{_span(plan['program_runs']['total'])}, and {plan['program_runs']['test']} for the test",
        "LM calls": ", ".join(f"{role} {_span(count)}" for role, count in plan["lm_calls"].items()),
        "dollars": "not known" if plan["usd"] is None else " to ".join(f"{usd:,.2f}" for usd in plan["usd"]),
    }.items():
        rows.add_row(name, value)
    console.print(rows, markup=False, soft_wrap=True)
    for text in (*said, *plan["notes"]):
        console.print(text, markup=False, soft_wrap=True)
    _print_data(console, found["data"]["report"])
    table = Table("preset", "trials", "candidates", "minibatch", "full", "program runs", "prompt calls", box=None)
    for row in presets:
        counts = [str(row[key]) for key in ("trials", "candidates", "minibatch_size", "full_evaluations")]
        table.add_row(row["preset"], *counts, _span(row["program_runs"]), _span(row["prompt_calls"]))
    console.print("\nThe same request under every preset:", table, sep="\n")


def _tried(rehearsal: dict[str, Any]) -> str:
    if rehearsal["at_the_start"]:
        return "by the run, before all else"
    cells = rehearsal["cells"]
    scores = ", ".join("no score" if cell["score"] is None else f"{cell['score']:g}" for cell in cells)
    calls = sum(cell["usage"]["calls"] for cell in cells)
    return f"on {len(cells)} training rows: {scores}; {calls} LM calls" if cells else "no"


def _print_data(console: Console, report: dict[str, Any]) -> None:
    """The report on the rows: what was done with them, their columns, and the classes by split."""
    console.print("\nThe rows:")
    for text in report["sentences"]:
        console.print(text, markup=False, soft_wrap=True)
    table = Table("column", "is", "missing", "distinct", "longest", box=None)
    for one in report["columns"]:
        counts = [f"{one[key]:,}" for key in ("missing", "distinct", "longest")]
        table.add_row(_printable(one["column"]), one["role"], *counts)
    console.print(table)
    for label, classes in report["classes"].items():
        table = Table(_printable(label), "train", "val", "test", box=None)
        for value, counts in classes.items():
            table.add_row(_printable(value), *(f"{counts[split]:,}" for split in ("train", "val", "test")))
        console.print(table)


def _printable(text: str) -> str:
    """Foreign text on a terminal: no markup, no line end, nothing that moves the cursor."""
    return escape("".join(c if c.isprintable() else " " for c in text)[:60])


def _span(count: int | list[int]) -> str:
    """A planned number, or the least and the most where it depends on what is found."""
    least, most = (count, count) if isinstance(count, int) else count
    return f"{most:,}" if least == most else f"{least:,} to {most:,}"
