"""One number for one thing: every page, the report and the command line say the same of a run, whatever its shape.

Each page is read as a person reads it, and what it claims is collected by the thing that it is claimed of.
"""

import html
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.candidate_names import names_of
from mipro_studio.ui.export.report import report_html
from mipro_studio.ui.present.slides import presentation_html
from mipro_studio.ui.result.evidence import Evidence, evidence_of
from mipro_studio.ui.result.headline import headline
from mipro_studio.ui.text.format import UNKNOWN, clean, score
from tests.inside import shell
from tests.pages.open import open_page, texts
from tests.programs import desk
from tests.working import MODELS, inside

pytestmark = pytest.mark.timeout(200)
PAGES = ("live", "compare", "present", "replay", "export", "instructions", "traces", "settings")
SPEAK_OF_IT = {"live", "compare", "present", "replay", "report", "presentation", "show"}
_SMALL = ("--trials", "8", "--candidates", "3", "--minibatch-size", "6", "--threads", "2", "--seed", "1")
_HEAD = """
import dspy
from tests.programs import desk, quick
"""
PROGRAMS: Mapping[str, str] = {
    "single": "program = quick.QueueOnly\ndef metric(e, p, trace=None):\n    return float(e.queue == p.queue)\n",
    "four": """
class program(dspy.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = quick.Quick(desk.Queue), quick.Quick(desk.Tone)
        self.c, self.d = quick.Quick(desk.Queue), quick.Quick(desk.Tone)

    def forward(self, message):
        tones = [self.b(message=message).tone, self.d(message=message).tone]
        return dspy.Prediction(queue=self.a(message=message).queue, tone=tones[0], also=self.c(message=message).queue)


def metric(e, p, trace=None):
    return ((e.queue == p.queue) + (e.tone == p.tone) + (e.queue == p.also)) / 3
""",
    "saturated": "program = quick.QueueOnly\ndef metric(e, p, trace=None):\n    return 1.0\n",
    "errors": "program = quick.QueueOnly\ndef metric(e, p, trace=None):\n    raise KeyError('queue')\n",
    "capped": "program = quick.Desk\nmetric = desk.metric\n",
    "negative": """
program = quick.QueueOnly
def metric(e, p, trace=None):
    return 0.0 if e.queue == p.queue else -2.5
""",
    "stopped": """
from mipro_studio.control import launcher
from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import Reader, default_store
program, asked = quick.Desk, []
def metric(e, p, trace=None):
    asked.append(e)
    if len(asked) == 110:
        with Reader(default_store()) as reader:
            launcher.stop(default_store(), next(r.id for r in reader.list_runs() if r.status is Status.RUNNING))
    return desk.metric(e, p, trace)
""",
}
_MORE = {"errors": ("--start-anyway",), "capped": ("--max-program-runs", "60"), "stopped": ("--trials", "60")}
DRAWN = ("running", "finished", "nogain", "stopped", "lost", "hostile")
"""Runs of the factory, in states that a run inside this process does not rest in."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """One store with a run of every shape, each made by the command line."""
    folder = tmp_path_factory.mktemp("shapes")
    rows = folder / "rows.jsonl"
    rows.write_text("\n".join(json.dumps(row) for row in desk.rows(60)))
    store, ids = folder / "studio.db", {}
    endpoint = inside(models=MODELS)
    endpoint.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIPRO_STUDIO_STORE", str(store))
        for name, text in PROGRAMS.items():
            file = folder / f"{name}.py"
            file.write_text(_HEAD + text)
            given = ("--data", str(rows), "--inputs", "message", "--task-model", "openai/task", "--api-base",
                     endpoint.base_url, "--store", str(store), "--json", *_SMALL, *_MORE.get(name, ()))  # fmt: skip
            done = shell("run", str(file), *given)
            assert done.stdout, done.stderr
            ids[name] = json.loads(done.stdout.splitlines()[-1])["run_id"]
    endpoint.close()
    yield store, ids


_THINGS: Mapping[str, str] = {
    "candidates": r"(\d[\d,]*) candidates? (?:was|were)\b|(?:from|among|over) (\d[\d,]*) cand|"
    r"^(\d[\d,]*) candidates?$",
    "sealed examples": r"on (\d[\d,]*) examples? that the search never saw",
    "won and lost": r"(better on (?:\d+|none), worse on (?:\d+|none)), [^.\n]*tokens",
    "LM calls": r"LM calls=([\d,]+)|(\d[\d,]*) model calls",
    "trials": r"Trials=(\d[\d,]*)|tried in (\d[\d,]*) trials?",
    "validation rows": r"Validation rows=(\d[\d,]*)|(\d[\d,]*) validation rows|(\d[\d,]*) to choose by",
    "sealed rows": r"Sealed test rows=(\d[\d,]*)|(\d[\d,]*) rows sealed|, (\d[\d,]*) sealed for the end",
    "program runs": r"\((\d[\d,]*) program runs? in all\)|Program runs=([\d,]+)",
}  # fmt: skip


def claims(said: str) -> dict[str, set[str]]:
    """Thing -> what is claimed of it."""
    found: dict[str, set[str]] = {}
    for thing, pattern in _THINGS.items():
        for match in re.finditer(pattern, said, re.M | re.I):
            words = next(group for group in match.groups() if group)
            found.setdefault(thing, set()).add(words.strip())
    return found


def words_of(app: AppTest) -> str:
    """What a page says, its foreign text unescaped, its numbers under their names."""
    metrics = [f"{one.label}={one.value}\n{one.delta}" for one in app.metric]
    said = "\n".join([texts(app), *metrics])
    return html.unescape(re.sub(r"<[^>]+>", "\n", said))


def everything(store: Path, run: str) -> dict[str, str]:
    """All that is said of a run, by where."""
    said = {name: words_of(open_page(f"pages/{name}.py", run=run)) for name in PAGES}
    with Reader(store) as reader:
        for name, page in (("report", report_html(reader, run)), ("presentation", presentation_html(reader, run))):
            said[name] = html.unescape(re.sub(r"<[^>]+>", "\n", page))
    shown = shell("show", run, "--store", str(store))
    assert shown.returncode == 0, shown.stderr
    said["show"] = shown.stdout.replace("program runs ", "Program runs=").replace("Program runs= ", "Program runs=")
    return said


def agree(store: Path, run: str) -> dict[str, set[str]]:
    said = everything(store, run)
    together: dict[str, dict[str, set[str]]] = {}
    for where, words in said.items():
        for thing, values in claims(words).items():
            together.setdefault(thing, {})[where] = values
    for thing, by_place in together.items():
        assert len(set().union(*by_place.values())) == 1, (thing, by_place)
    with Reader(store) as reader:
        found = evidence_of(reader, run, reader.trials(run), reader.outcome(run))
        sentence = headline(found, names_of(reader, run).of(found.best))
    for where in SPEAK_OF_IT:
        assert clean(sentence) in said[where], where
    within_range(said)
    same_means(store, run, said, found)
    return {thing: set().union(*by_place.values()) for thing, by_place in together.items()}


_MEANS: Mapping[str, Mapping[str, str]] = {
    "report": {
        "test": r"Sealed test \([^)]*\)\s+Before\s+(\S+).*?After\s+(\S+)",
        "val": r"Validation \([^)]*\)\s+Before\s+(\S+).*?After\s+(\S+)",
    },
    "show": {"test": r"^test \(n=\d+\)\s+(\S+) -> (\S+)\s*$", "val": r"^validation\s+(\S+) -> (\S+)\s*$"},
}
_ON_LIVE = r"(?:As it came)=(\S+)(?:(?!As it came=)[\s\S])*?(?:Winner|Leader)=(\S+)"


def same_means(store: Path, run: str, said: Mapping[str, str], found: Evidence) -> None:
    """Both means of both splits are the same on Live, on the list of runs, in the report and in `show`.

    Where nothing has beaten the program as it came, the second may be left out or be the first again.
    """
    if not found.final:
        return
    blocks = {"test": found.test, "val": found.val} if found.tested else {"val": found.val}
    told: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in blocks}
    for where, patterns in _MEANS.items():
        for split in blocks:
            match = re.search(patterns[split], said[where], re.M | re.S)
            assert match is not None, (where, split)
            told[split][where] = (match[1], match[2])
    if found.best is not None:
        for split, pair in zip(blocks, re.findall(_ON_LIVE, said["live"]), strict=True):
            told[split]["live"] = pair
    with Reader(store) as reader:
        listed = [summary.id for summary in reader.list_runs()]
    home = open_page().dataframe[0].value.iloc[listed.index(run)]
    for split, column in (("test", "sealed test"), ("val", "validation")):
        if split in blocks:
            before, _, after = home[column].partition(" → ")
            told[split]["home"] = (before, after)
    for split, block in blocks.items():
        before, after = (score(side.get("mean")) if side else UNKNOWN for side in (block.before, block.after))
        stays = {(before, before), (before, UNKNOWN)} if found.best is None else set()
        allowed = {(before, after), *stays}
        assert set(told[split].values()) <= allowed, (split, told[split], allowed)
        assert len(told[split]) >= 3


_NUMBER = "([+\N{MINUS SIGN}-]?\\d+(?:\\.\\d+)?)"
_INTERVAL = re.compile(rf"(?<![\d.]){_NUMBER} to {_NUMBER} \(90 %\)")


def within_range(said: Mapping[str, str]) -> None:
    """No interval of a mean reaches where the metric has no score; differences reach from -1 to 1."""
    if any("\N{MINUS SIGN}2.5" in words or "-2.5" in words for words in said.values()):
        return
    for where, words in said.items():
        for low, high in _INTERVAL.findall(words):
            bounds = [float(bound.replace("\N{MINUS SIGN}", "-")) for bound in (low, high)]
            least = -1.0 if low[0] in "+\N{MINUS SIGN}±" or high[0] in "+\N{MINUS SIGN}±" else 0.0
            assert least <= bounds[0] <= bounds[1] <= 1.0, (where, low, high)


@pytest.mark.parametrize("kind", PROGRAMS)
def test_no_two_numbers_for_one_thing(
    ran: tuple[Path, dict[str, str]], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, ids = ran
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(store))
    found = agree(store, ids[kind])
    if kind != "errors":
        assert found["candidates"], "the count of candidates was read somewhere"
        assert found["program runs"]


@pytest.mark.parametrize("kind", DRAWN)
def test_no_two_numbers_for_one_thing_in_states_on_the_way(store: tuple[Path, dict[str, str]], kind: str) -> None:
    path, ids = store
    agree(path, ids[kind])


def test_the_shapes_are_what_they_are_called(ran: tuple[Path, dict[str, str]]) -> None:
    store, ids = ran
    with Reader(store) as reader:
        runs = {kind: reader.run(run) for kind, run in ids.items()}
        predictors = {kind: len(names_of(reader, run).predictors) for kind, run in ids.items()}
    assert (runs["errors"].status, runs["stopped"].status) == (Status.PAUSED, Status.STOPPED)
    assert "cap of 60" in runs["capped"].reason
    assert runs["saturated"].baseline_val == 1.0 and (runs["negative"].baseline_val or 0.0) < 0.0
    assert (predictors["single"], predictors["four"]) == (1, 4)


def test_the_reading_finds_a_contradiction() -> None:
    assert claims("57 candidates were tried\n61 candidates") == {"candidates": {"57", "61"}}
    sentence = "62 % to 96 % on 24 examples that the search never saw: better on 8, worse on none, twice the tokens."
    assert claims(f"Winner. {sentence}")["sealed examples"] == {"24"}
    with pytest.raises(AssertionError):
        within_range({"live": "0.99 to 1.02 (90 %), n = 6"})
    with pytest.raises(AssertionError):
        within_range({"live": "\N{MINUS SIGN}0.17 to 0.42 (90 %)"} | {"report": "-1.20 to +0.42 (90 %)"})
