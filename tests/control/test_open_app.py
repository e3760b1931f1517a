"""The command that serves the pages."""

import signal
import subprocess
import sys
from pathlib import Path

from mipro_studio import ROOT

STREAMLIT = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
print(os.getpid(), *sys.argv[1:], flush=True)
signal.pause()
"""
APP = """
import sys
sys.path.insert(0, {root!r})
from mipro_studio.control.launcher import open_app
open_app(["--x=1"])
"""


def test_a_signal_to_the_command_reaches_the_server_and_none_is_left_behind(tmp_path: Path) -> None:
    """A container's stop and a service manager's signal one process, the command's."""
    (tmp_path / "streamlit.py").write_text(STREAMLIT)
    serve = [sys.executable, "-c", APP.format(root=str(ROOT))]
    with subprocess.Popen(serve, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        served = command.stdout.readline().split()
        assert served == [str(command.pid), "run", str(ROOT / "app.py"), "--x=1"]
        command.send_signal(signal.SIGTERM)
        assert command.wait(120) == 7
