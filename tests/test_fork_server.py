"""What is forked in tests is a process as one that is started."""

import json
import os
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from mipro_studio import command
from tests.fork_server import forked, started

WAYS = (forked, started)
ENVIRONMENT = {"PATH": os.environ["PATH"], "GIVEN": "a value"}


def asked(*words: str) -> list[str]:
    return command("tests.programs.told", *words)


def told(way: Any, *words: str, **options: Any) -> tuple[dict[str, Any], "subprocess.CompletedProcess[str]"]:
    with way():
        done = subprocess.run(asked(*words), capture_output=True, text=True, check=False, timeout=250, **options)
    return json.loads(done.stdout), done


@pytest.mark.parametrize("way", WAYS)
def test_it_has_what_it_was_given_and_nothing_else(way: Any, tmp_path: Path) -> None:
    said, done = told(way, "hear", "a b", input="words", cwd=tmp_path, env=ENVIRONMENT, start_new_session=True)
    assert done.returncode == 7 and done.stderr == "aside\n"
    assert said.pop("loaded") is (way is forked)
    assert said == {
        "arguments": ["hear", "a b"],
        "folder": str(tmp_path),
        "parent": os.getpid(),
        "session": True,
        "given": "a value",
        "others": None,
        "heard": "words",
    }


@pytest.mark.parametrize("way", WAYS)
def test_it_inherits_what_is_not_said(way: Any) -> None:
    said, _ = told(way)
    assert said["folder"] == str(Path.cwd()) and not said["session"]
    assert said["others"] == os.environ["PYTEST_CURRENT_TEST"]


@pytest.mark.parametrize("way", WAYS)
def test_its_error_is_printed_and_its_exit_code(way: Any) -> None:
    _, done = told(way, "raise")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ValueError: raised"


@pytest.mark.parametrize("way", WAYS)
def test_descriptors_are_passed_by_their_numbers_and_no_others(way: Any) -> None:
    read, write = os.pipe()
    told(way, "write", str(write), pass_fds=[write])
    os.close(write)
    assert os.read(read, 99) == b"through a pipe"
    assert os.read(read, 99) == b""  # nobody holds the other end
    os.close(read)


@pytest.mark.parametrize("way", WAYS)
def test_it_is_killed_and_its_parent_is_told(way: Any) -> None:
    with way():
        process = subprocess.Popen(asked("stay"), stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL)
    assert process.stdout is not None and process.stdout.readline()
    assert process.poll() is None
    process.kill()
    assert process.wait(250) == -signal.SIGKILL
    process.stdout.close()


def test_other_processes_are_started() -> None:
    way: AbstractContextManager[Any] = forked()
    with way:
        assert subprocess.run(["false"], check=False).returncode == 1
        with pytest.raises(FileNotFoundError):
            subprocess.run(["no such program"], check=False)
