"""What processes inherit: helpers what is on a list, a program's children everything but the keys of the run."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mipro_studio import ROOT
from mipro_studio.optimizer_core.environment import (
    conventional,
    helper_environment,
    keeper_environment,
    withhold,
    worker_environment,
)

KEY = "canary-0123456789"
GIVEN = {
    "PATH": "/bin",
    "HTTPS_PROXY": "http://me:pw-of-mine@proxy",
    "DESK": KEY,
    "OPENAI_API_KEY": KEY,
    "LC_ALL": "C",
    "XDG_CACHE_HOME": "/c",
    "MIPRO_STUDIO_STORE": "s.db",
    "DATABASE_URL": "db://me:pw-of-mine@h",
    "EDITOR": "vi",
}
ALWAYS = {"PATH", "LC_ALL", "XDG_CACHE_HOME", "MIPRO_STUDIO_STORE"}


def test_a_helper_is_given_what_it_needs_and_no_key_of_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {**GIVEN, "XDG_X": "a://u:p@h"})
    assert set(helper_environment()) == ALWAYS
    assert set(helper_environment("DESK", "NOT_SET")) == ALWAYS | {"DESK"}
    assert set(helper_environment(network=True)) == ALWAYS | {"HTTPS_PROXY"}


def test_the_keeper_of_a_log_is_given_the_keys_that_it_blacks_out_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.environ", GIVEN)
    assert set(keeper_environment("DESK")) == ALWAYS | {"DESK", "OPENAI_API_KEY", "HTTPS_PROXY", "DATABASE_URL"}


def test_a_program_is_given_its_persons_environment_without_the_token_of_the_studios_door(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.environ", {**GIVEN, "MIPRO_STUDIO_TOKEN": KEY})
    assert worker_environment() == GIVEN


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("openai/gpt-4o-mini", "OPENAI_API_KEY"),
        ("together_ai/a/b", "TOGETHER_AI_API_KEY"),
        ("embedded", ""),
        ("a b/c", ""),
        ("", ""),
    ],
)
def test_a_model_whose_settings_name_no_variable_has_its_providers_usual_one(model: str, variable: str) -> None:
    assert conventional(model) == variable


def test_nothing_is_withheld_in_a_process_that_is_not_a_runs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK", KEY)
    withhold("DESK")
    assert subprocess.run(["printenv", "DESK"], capture_output=True, text=True, check=False).stdout.strip() == KEY


KEYS = ["DESK", "GROQ_API_KEY", "OF_THE_JUDGE", "OPENAI_API_KEY"]
MINE = "MY_OWN"
BEGIN = f"""
import asyncio, multiprocessing, os, shlex, subprocess, sys
from mipro_studio.optimizer_core.environment import keep_keys_back, withhold_of
keep_keys_back()
keep_keys_back()
withhold_of({{"task_model": {{"model": "openai/m", "api_key_env": "DESK"}}, "models": {{"a": {{"model": "groq/n"}}}},
              "judge": {{"model": {{"model": "m", "api_key_env": "OF_THE_JUDGE"}}}}}})
ASK = "import os; print(*sorted({{*os.environ}} & {{*{[*KEYS, MINE]!r}}}))"
ASKED = [sys.executable, "-c", ASK]
def ask(): exec(ASK); sys.stdout.flush()
"""


def printed(folder: Path, code: str, environment: Mapping[str, str]) -> list[str]:
    """What a program prints, line by line, in a process of a run."""
    file = folder / "act.py"
    file.write_text(BEGIN + code)
    done = subprocess.run(
        [sys.executable, str(file)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


ALL_OF_THEM = {**dict.fromkeys(KEYS, KEY), MINE: "mine"}


def test_children_of_a_program_inherit_everything_but_the_keys_of_the_runs_models(tmp_path: Path) -> None:
    code = """
ask()  # the program itself has them all
subprocess.run(ASKED)
subprocess.run(ASKED, close_fds=False)
os.system(shlex.join(ASKED))
async def from_a_loop():
    await (await asyncio.create_subprocess_exec(*ASKED)).wait()
asyncio.run(from_a_loop())
if os.fork() == 0:
    os.execv(sys.executable, ASKED)
os.wait()
subprocess.run(ASKED, env=os.environ)  # passed on knowingly
del os.environ["DESK"]
subprocess.run(ASKED, env=os.environ)
"""
    said = printed(tmp_path, code, ALL_OF_THEM)
    everything = " ".join(sorted(ALL_OF_THEM))
    assert said == [everything, *[MINE] * 5, everything, everything.removeprefix("DESK ")]


@pytest.mark.parametrize("way", ["fork", "spawn", "forkserver"])
def test_processes_that_run_the_programs_own_python_have_the_keys(tmp_path: Path, way: str) -> None:
    code = f"""
if __name__ == "__main__":
    process = multiprocessing.get_context("{way}").Process(target=ask)
    process.start()
    process.join()
    subprocess.run(ASKED)
"""
    assert printed(tmp_path, code, ALL_OF_THEM) == [" ".join(sorted(ALL_OF_THEM)), MINE]


def test_a_key_that_a_program_reads_from_a_file_into_its_environment_is_learned(tmp_path: Path) -> None:
    code = f"""
from mipro_studio.optimizer_core.secrets import Scrubber
before = Scrubber()
os.environ["OF_A_TOOL_API_KEY"] = "{KEY}"
os.environ.setdefault("DB", "pg://me:another-{KEY}@host")
os.environ["COLOUR"] = "turquoise"
print(before.text("{KEY}, turquoise, another-{KEY}"))
"""
    assert printed(tmp_path, code, {}) == ["[key hidden], turquoise, [key hidden]"]
