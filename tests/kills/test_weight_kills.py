"""Runs that tune weights, killed with SIGKILL at a few moments of the table that `python -m tests.kills` prints."""

from pathlib import Path

import pytest

from tests.kills.trying import embedded_kills, provider_kills

SUBMITS = 4
"""The request that begins the job: after those for jobs and files that are there, and the file's own."""
pytestmark = pytest.mark.timeout(600)


@pytest.mark.embedded
@pytest.mark.usefixtures("weights")
def test_a_killed_run_has_one_job_on_this_machine_and_loses_none(tmp_path: Path) -> None:
    """Its answers are a random network's, of which one in many may turn out otherwise: the job is compared."""
    moments = ["training: after a checkpoint, with the trainer"]
    broken = [what for tried in embedded_kills(tmp_path, moments) for what in tried.broken]
    assert [what for what in broken if not what.startswith("other ")] == []


@pytest.mark.parametrize(("trainer", "when"), [("together", (False, True)), ("openai", (True,))])
def test_a_run_that_is_killed_while_it_submits_pays_for_one_job_and_ends_as_a_whole_one(
    tmp_path: Path, trainer: str, when: tuple[bool, ...]
) -> None:
    """Killed before the provider has the job, and after, when nobody hears of it any more; then polls are lost."""
    tried = list(provider_kills(tmp_path, trainer, [SUBMITS], when))
    assert [(one.moment, list(one.broken)) for one in tried if one.broken] == []
