"""Each program of the zoo means in the studio what it means in plain DSPy (`comparing` says what is compared).

Both sides run once, in a process each that forks for every program, on a model that answers in process.
`docs/differences.md` lists what differs on purpose; everything else that differs is red.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mipro_studio import command
from tests.zoo.catalog import CASES
from tests.zoo.comparing import differences

HERE = Path(__file__).resolve().parent
TABLE = HERE.parents[1] / "docs" / "differences.md"
ROW = re.compile(r"^\| ([^|]+) \| (\w+) \| `([^`]+)` \| [^|]+ \|$", re.MULTILINE)
AT_ONCE = 2


def on_purpose() -> dict[str, dict[str, str]]:
    """{program: {check: how what is seen begins}} of the table of differences."""
    listed: dict[str, dict[str, str]] = {}
    for program, check, seen in ROW.findall(TABLE.read_text(encoding="utf-8")):
        listed.setdefault(program, {})[check] = seen
    return listed


def process(arguments: list[str], job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({**job, "at_once": AT_ONCE}))
    result = folder / "result.json"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(
        [*arguments, str(folder / "job.json"), str(result)],
        cwd=folder,
        env={**environment, "LITELLM_LOCAL_MODEL_COST_MAP": "true"},
        check=True,
        timeout=600,
    )
    found: dict[str, Any] = json.loads(result.read_text())
    return found


@pytest.fixture(scope="module")
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The differences of every program that this session asks for."""
    asked = {item.callspec.params["name"] for item in request.session.items if "seen" in item.fixturenames}
    names = [name for name in CASES if name in asked]
    folder = tmp_path_factory.mktemp("zoo")
    studio = process(command("tests.zoo.studio"), {"cases": names}, folder / "studio")
    plain = process([sys.executable, "-P", str(HERE / "oracle.py")], {"studio": studio}, folder / "plain")
    return {name: differences(studio[name], plain[name]) for name in names}


@pytest.mark.timeout(900)  # the first one waits for all of them
@pytest.mark.parametrize("name", CASES, ids=lambda name: name.replace(" ", "-"))
def test_a_program_is_run_taught_and_exported_as_plain_dspy_would(name: str, seen: dict[str, dict[str, str]]) -> None:
    listed = on_purpose().get(name, {})
    known = {check: text for check, text in seen[name].items() if text.startswith(listed.get(check, "\0"))}
    assert (seen[name], set(known)) == (known, set(listed))


def test_the_table_of_differences_names_programs_that_there_are() -> None:
    assert on_purpose().keys() <= CASES.keys()
