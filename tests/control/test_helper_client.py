"""Processes beside the pages: plans, previews, a call to an endpoint, optuna-dashboard; and that they end with us."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from mipro_studio.control.helper_client import Dashboards, Drafter, ping
from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.types import Trial, TrialKind
from mipro_studio.storage import StudyMirror
from tests.inside import helpers_inside
from tests.loopback import LoopbackEndpoint
from tests.loopback.inprocess import InProcessEndpoint
from tests.waits import until

pytestmark = pytest.mark.timeout(180)
ROOT = Path(__file__).resolve().parents[2]
CHOICES = {"answer: instruction": ["i0", "i1"], "answer: demos": ["d0", "d1"]}


@pytest.fixture(scope="module")
def drafter() -> Iterator[Drafter]:
    made = Drafter()
    yield made
    made.close()


def test_the_plan_follows_the_settings(drafter: Drafter) -> None:
    plans = {}
    for trials in (10, 20):
        answer = drafter.plan({"program": "sample:triage", "search": {"trials": trials}})
        assert answer is not None
        plans[trials] = answer["plan"]["program_runs"]["minibatch"]
        assert [row["preset"] for row in answer["presets"]] == ["studio", "paper", "light", "medium", "heavy"]
    assert plans[20] == [2 * bound for bound in plans[10]]


def test_optunas_importance_is_asked_of_the_same_process(drafter: Drafter) -> None:
    params = [{"a: demos": f"d{index % 3}", "b: demos": f"d{index % 2}"} for index in range(30)]
    scores = [0.2 + 0.5 * (one["a: demos"] == "d1") for one in params]
    for evaluator in ("fanova", "ped_anova"):
        assert drafter.importance(params, scores, evaluator, 0)[0]["parameter"] == "a: demos"
    with pytest.raises(BadInput, match="needs 30 trials"):
        drafter.importance(params[:3], scores[:3], "fanova", 0)


def test_a_preset_fills_in_what_is_open(drafter: Drafter) -> None:
    answer = drafter.plan({"program": "sample:triage", "preset": "light"})
    assert answer is not None
    row = next(row for row in answer["presets"] if row["preset"] == "light")
    assert answer["plan"]["trials"] == row["trials"] == answer["settings"]["search"]["trials"]


def test_own_code_is_not_imported_for_a_plan(drafter: Drafter, tmp_path: Path) -> None:
    mark = tmp_path / "imported"
    program = tmp_path / "mine.py"
    program.write_text(f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n")
    assert drafter.plan({"program": str(program)}) is None
    assert not mark.exists()
    facts = {
        "predictors": [{"name": "a", "kind": "Predict", "inputs": ["q"], "outputs": ["a"], "instruction": "Do."}],
        "sizes": {"train": 40, "val": 40, "test": 20}, "row_chars": 50.0, "instruction_chars": 3.0,
    }  # fmt: skip
    answer = drafter.plan({"program": str(program)}, facts)
    assert answer is not None and answer["plan"]["program_runs"]["baseline"] == 40
    assert not mark.exists()


def test_bad_settings_are_one_sentence(drafter: Drafter) -> None:
    with pytest.raises(BadInput, match="There is no optimizer 'no'"):
        drafter.plan({"program": "sample:triage", "optimizer": "no"})


def test_rows_are_previewed_and_a_changed_file_is_read_again(drafter: Drafter, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "\n".join(f"t{i},l{i}" for i in range(9)))
    found = drafter.rows(str(path))
    assert (found["columns"], found["n"], found["rows"][0]) == (["text", "label"], 9, {"text": "t0", "label": "l0"})
    time.sleep(0.02)
    path.write_text("a\n1\n")
    assert drafter.rows(str(path))["columns"] == ["a"]
    with pytest.raises(BadInput, match="There is no file"):
        drafter.rows(str(tmp_path / "none.csv"))


def test_a_killed_drafter_is_started_again(tmp_path: Path) -> None:
    made = Drafter()
    assert made.plan({"program": "sample:triage"}) is not None
    assert made._process is not None
    made._process.kill()
    made._process.wait()
    assert made.plan({"program": "sample:triage", "seed": 1}) is not None
    made.close()


@pytest.mark.parametrize(
    ("settings", "spec", "error"),
    [
        ({}, {}, None),
        ({"require_key": "right"}, {}, "auth"),
        ({"models": ["other"]}, {}, "model"),
        ({"fault_script": ["500"] * 5}, {}, "server"),
        ({"fault_script": ["429"] * 5}, {}, "rate_limit"),
        ({"latency_s": 5.0}, {"timeout_s": 0.5}, "timeout"),
        ({}, {"api_base": "http://127.0.0.1:9/v1"}, "connection"),
        ({}, {"api_key_env": "NO_SUCH_VARIABLE_HERE"}, "auth"),
    ],
)
def test_an_endpoint_is_tested_and_its_failure_has_a_class(
    settings: dict[str, object], spec: dict[str, object], error: str | None
) -> None:
    with InProcessEndpoint(**settings) as endpoint, helpers_inside():
        answer = ping({"model": "openai/some", "api_base": endpoint.base_url, "timeout_s": 20.0, **spec})
    assert answer.get("error") == error, answer
    if error is None:
        assert 0 < answer["latency_s"] < 20
    else:
        assert answer["message"]


def test_a_key_is_not_in_what_a_test_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_GATEWAY", "sk-very-secret-0123456789")
    with LoopbackEndpoint(in_thread=True, require_key="right") as endpoint:
        spec = {"model": "openai/some", "api_base": endpoint.base_url, "api_key_env": "OUR_GATEWAY"}
        answer = ping(spec)
    assert answer["error"] == "auth"
    assert "very-secret" not in json.dumps(answer)


def _study(path: Path) -> None:
    with StudyMirror(path, "run", CHOICES) as mirror:
        for order in range(1, 4):
            trial = Trial(order, order, TrialKind.MINIBATCH, "i1d0", ("a",), True, 0.5, 1, 0, order)
            mirror.add(trial, {"answer: instruction": "i1", "answer: demos": "d0"})


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=120) as reply:
        text: str = reply.read().decode()
        return text


def _status(url: str, account: int | None = None, **headers: str) -> str:
    """What curl is answered, as another account if one is given."""
    given = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    asked = ["curl", "-s", "--compressed", "-o", "/dev/null", "-w", "%{http_code}", *given, url]
    return subprocess.run(asked, capture_output=True, text=True, check=True, user=account).stdout


def _guards(url: str) -> None:
    """Other names, other pages and other accounts get nothing of the dashboard, its static files included."""
    plain, _, token = url.partition("?token=")
    for path in ("/dashboard", "/api/studies", "/static/bundle.js"):
        there = plain.replace("/dashboard", path)
        assert _status(there) == "200"
        assert _status(there, Host="evil.example") == "403"
        assert _status(there, Origin="http://evil.example") == "403"
        if os.getuid() == 0:
            assert _status(there, 65534) == "403"
            assert _status(there, 65534, Cookie=f"mipro_dashboard_{plain.split(':')[2][:-10]}={token}") == "200"
    assert _status(url) == "303"
    assert _status(f"{plain}?token=wrong", 65534 if os.getuid() == 0 else None, Host="evil.example") == "403"


def test_the_dashboard_serves_the_study_read_only_and_stops(tmp_path: Path) -> None:
    study = tmp_path / "run.db"
    _study(study)
    served = Dashboards()
    url = served.start("run", study)
    assert url.startswith("http://127.0.0.1:")
    assert served.start("run", study) == url == served.url("run")
    studies = json.loads(_get(url.replace("/dashboard", "/api/studies")))
    assert "run" in json.dumps(studies)
    (name,) = [one["study_id"] for one in studies["study_summaries"]]
    request = urllib.request.Request(url.replace("/dashboard", f"/api/studies/{name}"), method="DELETE")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(request, timeout=120)
    assert "run" in json.dumps(json.loads(_get(url.replace("/dashboard", "/api/studies"))))
    _guards(url)
    process = served._served["run"].process
    _, _, token = url.partition("?token=")
    assert len(token) > 20 and token.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    served.close()
    assert process.wait(timeout=120) == 0
    assert served.url("run") is None


def test_a_run_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="no study yet"):
        Dashboards().start("run", tmp_path / "none.db")


def _answers(url: str) -> bool:
    try:
        _get(url.replace("/dashboard", "/api/studies"))
    except (urllib.error.URLError, ConnectionError):
        return False
    return True


def test_the_dashboard_ends_when_the_studio_is_killed(tmp_path: Path) -> None:
    study = tmp_path / "run.db"
    _study(study)
    code = (
        "import sys, time; from pathlib import Path; from mipro_studio.control.helper_client import Dashboards\n"
        "d = Dashboards();"
        f"print(d.start('run', Path({str(study)!r})), flush=True); time.sleep(60)"
    )
    studio = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert studio.stdout is not None
    url = studio.stdout.readline().strip()
    assert _get(url.replace("/dashboard", "/api/studies"))
    studio.kill()
    studio.wait()
    until(lambda: not _answers(url), step_s=0.1)


def test_the_process_is_a_file_too_that_others_may_start() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "sidecar.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "dashboard FILE" in done.stderr
