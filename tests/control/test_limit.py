"""A person holds a working run's calls back: a command row, which the worker's heart hears."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mipro_studio import worker
from mipro_studio.control import launcher
from mipro_studio.control.heartbeat import Heartbeat, Waiting
from mipro_studio.optimizer_core.errors import BadInput, IllegalMove
from mipro_studio.optimizer_core.models.sharing.call_limits import CallLimits
from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import Store
from tests.storage.samples import WORKER, queued


def test_a_limit_is_a_command_that_takes_effect_at_once(tmp_path: Path) -> None:
    path = tmp_path / "studio.db"
    store = Store(path)
    run_id = queued(store)
    with pytest.raises(IllegalMove, match="makes no calls"):
        launcher.limit(path, run_id, 3)
    assert store.claim(run_id, WORKER, 30.0)
    with pytest.raises(BadInput, match="0 calls at once are none"):
        launcher.limit(path, run_id, 0)
    launcher.limit(path, run_id, 3)
    limits = CallLimits(8)
    assembled: Any = SimpleNamespace(context=SimpleNamespace(meter=SimpleNamespace(limits=limits)))
    heartbeat = Heartbeat(path, run_id, WORKER, lambda command: worker._obey(assembled, command), Waiting())
    heartbeat.beaten(store)
    assert [limits.try_begin("e") == 0.0 for _ in range(4)] == [True, True, True, False]
    assert limits.shown()["e"]["most"] == 3
    assert store.pending_commands(run_id) == []
    store.release(run_id, WORKER, Status.STOPPED, "")
