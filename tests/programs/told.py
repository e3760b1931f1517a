"""A module of ours for the tests of `tests/fork_server.py`: it tells what process it is."""

import json
import os
import sys
import time
from pathlib import Path


def main(arguments: list[str]) -> int:
    told = {
        "arguments": arguments,
        "folder": str(Path.cwd()),
        "parent": os.getppid(),
        "session": os.getsid(0) == os.getpid(),
        "given": os.environ.get("GIVEN"),
        "others": os.environ.get("PYTEST_CURRENT_TEST"),
        "heard": sys.stdin.read() if "hear" in arguments else "",
        "loaded": "mipro_studio.worker" in sys.modules,
    }
    if "write" in arguments:
        os.write(int(arguments[1]), b"through a pipe")
    print(json.dumps(told), flush=True)
    print("aside", file=sys.stderr)
    if "raise" in arguments:
        raise ValueError("raised")
    if "stay" in arguments:
        time.sleep(600)
    return 7
