"""A process that looks at a person's program answers, whatever that leaves behind, and leaves nothing itself."""

import io
import sys
from pathlib import Path

import pytest

from mipro_studio.control import asking, new_runs
from mipro_studio.control.asking import telling
from mipro_studio.optimizer_core.errors import BadInput
from tests.working import write_rows

pytestmark = pytest.mark.timeout(290)

LEAVES = """
import os, subprocess, threading, time
child = subprocess.Popen(["sleep", "100000"])
with open(os.path.join(os.path.dirname(__file__), "child"), "w") as told:
    told.write(str(child.pid))
threading.Thread(target=time.sleep, args=(100000,)).start()
import atexit, io, sys
atexit.register(print, "bye", file=sys.stdout)
sys.stdout = io.StringIO()
print("noise", flush=True)
import desk_that_is_not_there
"""


@pytest.mark.parametrize("what", ["stays", "is closed", "is another"])
def test_an_answer_is_told_whatever_becomes_of_standard_output(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "out").open("w+") as out, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        tell = telling()
        print("noise")
        if what == "is closed":
            out.close()
        elif what == "is another":
            patch.setattr(sys, "stdout", io.StringIO())
        tell('{"a": 1}')
        if what == "stays":
            print("bye")
    assert asking._answer_in((tmp_path / "out").read_text().splitlines()) == '{"a": 1}'


def test_a_child_and_a_thread_that_a_program_leaves_behind_hold_nobody_up_and_end(tmp_path: Path) -> None:
    program = tmp_path / "leaves.py"
    program.write_text(LEAVES)
    with pytest.raises(BadInput, match="desk_that_is_not_there"):
        data = {"data": str(write_rows(tmp_path)), "inputs": ["message"]}
        new_runs.inspect({"program": str(program), "data": data})
    child = int((tmp_path / "child").read_text())
    stat = Path(f"/proc/{child}/stat")
    # Killed, it may still wait to be collected by whoever adopted it.
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"
