"""What a run costs, from the command line: plans, prices and caps."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mipro_studio.storage import Reader
from tests.inside import shell
from tests.loopback import LoopbackEndpoint
from tests.loopback.raw import RawEndpoint, completion
from tests.optimizer_core.scripted import chat
from tests.working import THREADS, arguments, inside, last_object, write_rows

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def running() -> Iterator[LoopbackEndpoint]:
    with inside() as endpoint:
        yield endpoint


def test_more_trials_are_planned_anew(running: LoopbackEndpoint, tmp_path: Path) -> None:
    store = tmp_path / "studio.db"
    asked = arguments(write_rows(tmp_path), running.base_url, "--schedule", "full", "--trials", "2")
    done = shell(*asked, "--store", str(store), "--json")
    run_id = last_object(done)["run_id"]

    def plan() -> tuple[int, int]:
        with Reader(store) as reader:
            found = reader.plan(run_id)
            assert reader.run(run_id).trials_planned == found["trials"]
            return found["trials"], found["program_runs"]["total"][1]

    trials, most = plan()
    done = shell("resume", run_id, "--trials", "4", "--store", str(store), "--json")
    assert done.returncode == 0, done.stderr
    with Reader(store) as reader:
        n_val = reader.run(run_id).n_val
    assert (trials, plan()) == (2, (4, most + 2 * n_val))


def test_prices_from_the_command_line_make_dollars(running: LoopbackEndpoint, tmp_path: Path) -> None:
    store = tmp_path / "studio.db"
    asked = arguments(write_rows(tmp_path), running.base_url, "--price", "2/10", "--trials", "1")
    done = shell(*asked, "--store", str(store), "--json")
    assert done.returncode == 0, done.stderr
    run_id = last_object(done)["run_id"]
    with Reader(store) as reader:
        spending, plan = reader.spent(run_id), reader.plan(run_id)
    for usage in spending.values():
        assert usage.cost_usd == pytest.approx(usage.input_tokens * 2e-6 + usage.output_tokens * 1e-5)
    assert plan["usd"] is not None and plan["usd"][1] > 0
    assert "is no price" in shell(*asked, "--price", "cheap").stderr


@pytest.fixture
def silent() -> Iterator[RawEndpoint]:
    """An endpoint that answers every question alike and never says what it took."""

    def answer() -> bytes:
        return completion(chat(queue="billing", tone="calm", proposed_instruction="Take care.", observations="Mail."))

    with RawEndpoint(answer) as endpoint:
        yield endpoint


CAPPED: dict[str, tuple[list[str], list[str]]] = {
    "dollars without a price": (["--max-usd", "5"], ["The cap of 5 dollars cannot be held", "'openai/task'"]),
    "tokens that nobody counts": (["--max-tokens", "900"], ["cap of 900 tokens can only be held roughly"]),
    "both": (
        ["--max-tokens", "900", "--max-usd", "0.5"],
        ["0.5 dollars cannot be held", "900 tokens and of 0.5 dollars can only be held roughly"],
    ),
    "dollars at a price that nobody counts": (
        ["--max-usd", "0.5", "--price", "1/2"],
        ["The cap of 0.5 dollars can only be held roughly"],
    ),
}


@pytest.mark.parametrize("what", CAPPED)
def test_a_cap_that_cannot_be_held_is_refused_without_a_yes(silent: RawEndpoint, tmp_path: Path, what: str) -> None:
    options, said = CAPPED[what]
    store = tmp_path / "studio.db"
    asked = [*arguments(write_rows(tmp_path), silent.base_url, *options), "--store", str(store), "--json"]
    refused = shell(*asked)
    assert (refused.returncode, store.exists()) == (2, False)
    assert all(words in refused.stderr for words in [*said, "--yes"]), refused.stderr
    shown = shell(*asked, "--dry-run")
    assert shown.returncode == 0 and all(words in shown.stdout for words in said)


def test_with_a_yes_it_starts_says_so_and_the_cap_holds_on_estimates(silent: RawEndpoint, tmp_path: Path) -> None:
    store = tmp_path / "studio.db"
    options = ["--max-tokens", "3000", "--max-usd", "5", "--yes", "--store", str(store), "--json"]
    done = shell(*arguments(write_rows(tmp_path), silent.base_url, *options))
    facts = last_object(done)
    assert (done.returncode, facts["capped"]) == (3, True), done.stderr
    with Reader(store) as reader:
        spending = reader.spent(facts["run_id"])
        warned = [event.data["text"] for _, _, event in reader.events(facts["run_id"]) if event.kind == "warning"]
    spent = [usage for role, usage in spending.items() if not role.sealed]
    tokens = sum(usage.input_tokens + usage.output_tokens for usage in spent)
    # Calls under way count with what such calls took so far, and one that still waits for its turn is then not made.
    largest = max((usage.input_tokens + usage.output_tokens) / usage.calls for usage in spent if usage.calls)
    under_way = (THREADS + 2) * largest
    assert 3000 - under_way <= tokens < 3000 + under_way
    assert sum(usage.estimated_tokens for usage in spent) == tokens
    assert any("cannot be held" in text for text in warned) and any("held roughly" in text for text in warned)


def test_caps_that_can_be_held_need_no_yes(running: LoopbackEndpoint, tmp_path: Path) -> None:
    options = ["--max-usd", "9", "--max-tokens", "900000", "--price", "1/2", "--trials", "1"]
    done = shell(*arguments(write_rows(tmp_path), running.base_url, *options), "--store", str(tmp_path / "s.db"))
    assert done.returncode == 0, done.stderr


def test_dollars_are_passed_by_no_more_than_what_is_under_way(running: LoopbackEndpoint, tmp_path: Path) -> None:
    store = tmp_path / "studio.db"
    options = ["--max-usd", "0.5", "--price", "10/30", "--threads", "16", "--trials", "60", "--store", str(store)]
    done = shell(*arguments(write_rows(tmp_path), running.base_url, *options, "--json"))
    facts = last_object(done)
    assert (done.returncode, facts["capped"]) == (3, True), done.stderr
    with Reader(store) as reader:
        spent = [usage for role, usage in reader.spent(facts["run_id"]).items() if not role.sealed]
    usd, calls = sum(usage.cost_usd or 0.0 for usage in spent), sum(usage.calls for usage in spent)
    assert usd < 0.5 + 4 * usd / calls
