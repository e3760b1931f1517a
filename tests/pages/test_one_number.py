"""One number for one thing: every page, the report and the command line say the same of a run, whatever its shape.

Each page is read as a person reads it, and what it claims is collected by the thing that it is claimed of.
"""

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from mipro_studio.optimizer_core.roles import ROLE_TITLES
from mipro_studio.optimizer_core.types import Status
from mipro_studio.python_call.cell_view import result_html, result_text
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.candidate_names import names_of
from mipro_studio.ui.export.report import report_html
from mipro_studio.ui.present.slides import presentation_html
from mipro_studio.ui.result.evidence import Evidence, evidence_of
from mipro_studio.ui.result.headline import headline
from mipro_studio.ui.text.format import UNKNOWN, clean, count, delta, interval, score
from mipro_studio.ui.text.status import is_active
from tests.inside import shell
from tests.pages.open import TIMEOUT_S, open_page, texts
from tests.programs import desk
from tests.working import MODELS, inside

pytestmark = pytest.mark.timeout(200)
PAGES = ("live", "compare", "present", "replay", "export", "instructions", "traces", "settings")
SPEAK_OF_IT = {"live", "compare", "present", "replay", "report", "presentation", "show", "json", "notebook"}
TABS = ("Trials", "Spending", "Errors")
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
from mipro_studio.optimizer_core.roles import ROLE_TITLES
from mipro_studio.optimizer_core.types import Status
from mipro_studio.python_call.cell_view import result_html, result_text
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
        asked = shell("ablate", ids["four"], "--store", str(store), "--json")
        assert asked.returncode == 0, asked.stderr
    endpoint.close()
    yield store, ids


_THINGS: Mapping[str, str] = {
    "candidates": r"(\d[\d,]*) candidates? (?:was|were)\b|(?:from|among|over) (\d[\d,]*) cand|"
    r"^(\d[\d,]*) candidates?$",
    "sealed examples": r"on (\d[\d,]*) examples? that the search never saw",
    "won and lost": r"(better on (?:\d+|none), worse on (?:\d+|none)), [^.\n]*tokens",
    "LM calls": r"LM calls=([\d,]+)|(\d[\d,]*) (?:model|LM) calls",
    "trials": r"Trials=(\d[\d,]*)|tried in (\d[\d,]*) trials?",
    "training rows": r"of (\d[\d,]*) training rows|(\d[\d,]*) (?:training )?rows to learn from",
    "validation rows": r"Validation rows=(\d[\d,]*)|(\d[\d,]*) validation rows|(\d[\d,]*) to choose by",
    "sealed rows": r"Sealed test rows=(\d[\d,]*)|(\d[\d,]*) rows sealed|, (\d[\d,]*) sealed for the end",
    "program runs": r"\((\d[\d,]*) program runs? in all\)|Program runs=([\d,]+)",
    "program runs on the sealed test": r"(\d[\d,]*) runs? on the sealed test|, (\d[\d,]*) of them on the sealed",
    "errors": r"^(\d[\d,]*) errors? ·|^errors\s+(\d[\d,]*)$|(\d[\d,]*) program runs? (?:failed and|without a score)",
    "cost": r"Cost=(.+)|(?-i:^Cost (.+)$)|model calls, cost (.+)\.$",
    "time at work": r"Time at work=(.+)|(\d[\dhms. ]*) at work",
}  # fmt: skip
_ON_THE_MOVE = {"time at work"}
"""Grows while a run works, from one page to the next."""


def claims(said: str) -> dict[str, set[str]]:
    """Thing -> what is claimed of it."""
    found: dict[str, set[str]] = {}
    for thing, pattern in _THINGS.items():
        for match in re.finditer(pattern, said, re.M | re.I):
            words = next(group for group in match.groups() if group)
            found.setdefault(thing, set()).add(words.strip().rstrip(","))
    return found


def words_of(app: AppTest) -> str:
    """What a page says, its foreign text unescaped, its numbers under their names."""
    metrics = [f"{one.label}={one.value}\n{one.delta}" for one in app.metric]
    lists = [f"{one.label}: {one.options[one.index]}" for one in app.selectbox if one.index is not None]
    said = "\n".join([texts(app), *metrics, *lists]).replace("\\$", "$")
    return html.unescape(re.sub(r"<[^>]+>", "\n", said))


def everything(store: Path, run: str) -> dict[str, str]:
    """All that is said of a run, by where."""
    said = {name: words_of(open_page(f"pages/{name}.py", run=run)) for name in PAGES}
    said |= {f"tab {tab}": words_of(open_page("pages/live.py", {"live_tab": tab}, run=run)) for tab in TABS}
    said["compare on validation"] = words_of(open_page("pages/compare.py", run=run, split="val"))
    with Reader(store) as reader:
        for name, page in (("report", report_html(reader, run)), ("presentation", presentation_html(reader, run))):
            said[name] = html.unescape(re.sub(r"<[^>]+>", "\n", page))
        cost = said["report"].partition("What it cost")[2].partition("Settings receipt")[0]
        spent = [re.search(rf"^{title}\s+([\d,]+)$", cost, re.M) for title in ROLE_TITLES.values()]
        said["report"] += _calls(int(found[1].replace(",", "")) for found in spent if found)
    said["notebook"] = result_text(store, run) + html.unescape(re.sub(r"<[^>]+>", "\n", result_html(store, run)))
    said |= terminal(store, run) | {"home": home(store, run)}
    return said


def _calls(parts: Iterable[int]) -> str:
    return f"\nLM calls={count(sum(parts))}"


def terminal(store: Path, run: str) -> dict[str, str]:
    """What `show` says, for people and for scripts."""
    shown = shell("show", run, "--store", str(store))
    assert shown.returncode == 0, shown.stderr
    words = re.sub(r"^program runs +", "Program runs=", shown.stdout, flags=re.M)
    called = re.search(r"^LM calls +(.+)$", words, re.M)
    assert called is not None
    facts = json.loads(shell("show", run, "--store", str(store), "--json").stdout)
    return {
        "show": words + _calls(int(part.split()[1]) for part in called[1].split(", ")),
        "json": f"{facts['headline']}\n{facts['candidates']} candidates\nTrials={facts['trials']}\n"
        f"Program runs={count(facts['program_runs'] + facts['test_program_runs'])}\n"
        f"{facts['test_program_runs']} runs on the sealed test\nerrors {facts['cells']['error']}\n"
        f"validation {score(facts['baseline_val'])} -> {score(facts['best_val'])}"
        + _calls([*facts["lm_calls"].values(), facts["test_lm_calls"]]),
    }


def home(store: Path, run: str) -> str:
    """The run's row in the list of runs, on Home and in the terminal."""
    with Reader(store) as reader:
        place = [summary.id for summary in reader.list_runs()].index(run)
    row = open_page().dataframe[0].value.iloc[place]
    listed = json.loads(shell("list", "--store", str(store), "--json").stdout)["runs"][place]
    pair = f"{score(listed['baseline_val'])} → {score(listed['best_val'])}"
    assert row["validation"] == (UNKNOWN if pair == f"{UNKNOWN} → {UNKNOWN}" else pair)
    names = {"trials": "Trials", "program runs": "Program runs", "took": "Time at work"}
    return "\n".join(f"{names.get(name, name)}={value}" for name, value in row.items() if value != UNKNOWN)


def agree(store: Path, run: str) -> dict[str, set[str]]:
    said = everything(store, run)
    with Reader(store) as reader:
        found = evidence_of(reader, run, reader.trials(run), reader.outcome(run))
        sentence = headline(found, names_of(reader, run).of(found.best))
        moves = is_active(reader.run(run))
        said["panel"] = panel_words(run, found.best) if found.best else ""
    together: dict[str, dict[str, set[str]]] = {}
    for where, words in said.items():
        for thing, values in claims(words).items():
            if not (moves and thing in _ON_THE_MOVE):
                together.setdefault(thing, {})[where] = values
    for thing, by_place in together.items():
        assert len(set().union(*by_place.values())) == 1, (thing, by_place)
    for where in SPEAK_OF_IT:
        assert clean(sentence) in said[where], where
    within_range(said)
    same_means(said, found)
    same_evidence(said, found)
    return {thing: set().union(*by_place.values()) for thing, by_place in together.items()}


def panel_script() -> None:
    import streamlit as st

    from mipro_studio.storage import Reader, default_store
    from mipro_studio.ui.candidate.candidate_panel import panel

    with Reader(default_store()) as reader:
        panel(reader, st.query_params["run"], st.query_params["candidate"])


def panel_words(run: str, candidate: str) -> str:
    """What a click on the winner's dot opens."""
    app = AppTest.from_function(panel_script, default_timeout=TIMEOUT_S)
    app.query_params["run"], app.query_params["candidate"] = run, candidate
    return words_of(app.run())


_MEANS: Mapping[str, Mapping[str, str]] = {
    "report": {
        "test": r"Sealed test \([^)]*\)\s+Before\s+(\S+).*?After\s+(\S+)",
        "val": r"Validation \([^)]*\)\s+Before\s+(\S+).*?After\s+(\S+)",
    },
    "show": {"test": r"^test \(n=\d+\)\s+(\S+) -> (\S+)\s*$", "val": r"^validation\s+(\S+) -> (\S+)\s*$"},
    "json": {"val": r"^validation (\S+) -> (\S+)$"},
    "home": {"test": r"^sealed test=(\S+) → (\S+)$", "val": r"^validation=(\S+) → (\S+)$"},
}
"""Where both means stand whatever came of the run."""
_OF_THE_BEST: Mapping[str, Mapping[str, str]] = {
    "notebook": {"test": r"^sealed test: (\S+) -> (\S+),", "val": r"^validation: (\S+) -> (\S+),"},
    "export": {"val": r"^Candidate: ()(?:winner|leads) · (\S+), n ="},
    "panel": {"val": r"^()(\S+) on validation,"},
    "compare on validation": {"val": r"Score=(?P<after>\S+)\nfrom (?P<before>\S+)"},
    "compare": {"test": r"Score=(?P<after>\S+)\nfrom (?P<before>\S+)"},
}
"""Where they stand of a winner, or of a candidate that leads."""
_ON_LIVE = r"(?:As it came)=(\S+)(?:(?!As it came=)[\s\S])*?(?:Winner|Leader)=(\S+)"


def same_means(said: Mapping[str, str], found: Evidence) -> None:
    """Both means of both splits are the same wherever they are told.

    Where nothing has beaten the program as it came, the second may be left out or be the first again.
    """
    blocks = {"test": found.test, "val": found.val} if found.tested else {"val": found.val}
    for place, (split, block) in enumerate(blocks.items()):
        if block.before is None:
            continue
        told = {where: pair for where, by_split in _MEANS.items() if (pair := _told(by_split, split, said[where]))}
        assert len(told) >= (3 if found.final else 2), (split, told)
        if found.best is not None:
            more = {where: _told(by_split, split, said[where]) for where, by_split in _OF_THE_BEST.items()}
            told |= {where: pair for where, pair in more.items() if pair}
            told["live"] = re.findall(_ON_LIVE, said["live"])[place]
            assert {"panel", "export", "compare on validation"} <= {*told} or split == "test", told
        before, after = (score(side.get("mean")) if side else UNKNOWN for side in (block.before, block.after))
        stays = {(before, before), (before, UNKNOWN)} if found.best is None else set()
        allowed = {(before, after), ("", after), *stays}
        if not found.final:  # Compare has the baseline on the leader's rows
            told = {where: pair if "compare" not in where else ("", pair[1]) for where, pair in told.items()}
        assert set(told.values()) <= allowed, (split, told, allowed)


def _told(by_split: Mapping[str, str], split: str, words: str) -> tuple[str, str] | None:
    match = re.search(by_split[split], words, re.M | re.S) if split in by_split else None
    if match is None:
        return None
    named = match.groupdict()
    return (named["before"], named["after"]) if named else (match[1], match[2])


_COUNTS = re.compile(
    r"(\d+) won, (\d+) lost, (\d+) tied|(\d+) better, (\d+) worse, (\d+) the same|"
    r"better on (\d+|none), worse on (\d+|none)(?:,| and) the same on (\d+)|won, lost, tied +(\d+), (\d+), (\d+)"
)
_MEAN_AND_N = re.compile(r"[\d.\N{MINUS SIGN}-]+ to [\d.\N{MINUS SIGN}-]+ \(90 %\), n = [\d,]+")
_TELL_EVIDENCE = ("live", "compare", "compare on validation", "present", "presentation", "replay", "report", "show",
                  "notebook", "panel")  # fmt: skip


def same_evidence(said: Mapping[str, str], found: Evidence) -> None:
    """Whoever counts won and lost, or gives an interval, gives those of the evidence."""
    if found.best is None:
        return  # Compare then shows a candidate that the others do not speak of
    blocks = (found.val, found.test)
    counts = {tuple(str(pair[name]) for name in ("won", "lost", "tied")) for b in blocks if (pair := b.paired)}
    intervals = {interval(side) for block in blocks for side in (block.before, block.after) if side}
    for where in _TELL_EVIDENCE:
        for match in _COUNTS.finditer(said[where]):
            given = tuple(group.replace("none", "0") for group in match.groups() if group)
            assert given in counts, (where, given, counts)
        for match in _MEAN_AND_N.finditer(said[where]):
            assert any(one.startswith(match[0]) for one in intervals), (where, match[0], intervals)


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


def test_what_the_parts_bring_is_the_same_wherever_it_is_told(
    ran: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, run = ran[0], ran[1]["four"]
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(store))
    facts = json.loads(shell("show", run, "--store", str(store), "--json").stdout)
    assert len(facts["parts"]) >= 2 and facts["status"] == "completed"
    told = {"live": open_page("pages/live.py", run=run)}
    (table,) = [one.value for one in told["live"].table if "what it brings" in one.value]
    with Reader(store) as reader:
        report = html.unescape(re.sub(r"<[^>]+>", "\n", report_html(reader, run)))
        winner = reader.candidate_scores(run, facts["winner"])
        for part, row in zip(facts["parts"], table.itertuples(index=False), strict=True):
            other = reader.candidate_scores(run, part["without"])
            assert other.keys() == winner.keys()
            mean = sum(filter(None, other.values())) / len(other)
            gain = sum(filter(None, winner.values())) / len(winner) - mean
            assert part["score"] == pytest.approx(mean) and part["paired"]["difference"] == pytest.approx(gain)
            assert [part["name"], score(mean)] == list(row)[:2] and row[2].startswith(f"{delta(round(gain, 9))} (")
            assert "\n".join(map(str, row)) in re.sub(r"\n+", "\n", report)
            assert part["name"] in shell("show", run, "--store", str(store)).stdout


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
