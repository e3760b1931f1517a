"""The wheel: one package, nothing of ours beside it, and it works from there."""

import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from mipro_studio.cli import app
from mipro_studio.storage.paths import STORE_VARIABLE
from mipro_studio.ui.home.open_replay import FINISHED

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(ROOT)]
    subprocess.run(build, check=True, cwd=out)
    return next(out.glob("*.whl"))


def test_every_room_and_module_is_in_the_wheel() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    kept_out = {"tests", "scripts", "docs", "mipro_studio"}
    rooms = {path.parent.name for path in ROOT.glob("*/*.py")} - kept_out
    modules = {path.name for path in ROOT.glob("*.py")}
    beside = {"static", ".streamlit", "docs/runs/triage.mipro"}
    assert included == {name: f"mipro_studio/{name}" for name in rooms | modules | beside}


def test_the_wheel_is_one_package_that_works_from_where_it_is_installed(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    assert {path.name.partition("-")[0] for path in site.iterdir()} == {"mipro_studio"}
    code = "import json, mipro_studio; print(json.dumps([str(mipro_studio.ROOT), mipro_studio.command('worker')]))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(site)}, capture_output=True, text=True
    )
    root, command = json.loads(done.stdout)
    assert Path(root) == site / "mipro_studio"
    assert (Path(root) / "app.py").is_file()
    assert (Path(root) / FINISHED.relative_to(ROOT)).is_file(), "Home offers it"
    looked = subprocess.run(
        [*command, "optimizers"], cwd=tmp_path, env={}, input="", capture_output=True, text=True, check=False
    )
    assert "run STORE RUN" in looked.stderr  # the worker's own words: it was found and imported


def test_the_container_file_names_what_there_is() -> None:
    """Docker does not run in CI: what its lines say is held against the code."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    said = {line.split()[0]: line for line in lines if line and not line.startswith("#")}
    command = json.loads(said["CMD"].removeprefix("CMD "))
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert command[0] in settings["project"]["scripts"]
    assert command[1] in {one.name for one in app.registered_commands}
    left_out = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert f"!{FINISHED.relative_to(ROOT)}" in left_out, "the wheel that it builds holds the finished run"
    port = said["EXPOSE"].split()[1]
    assert f"--server.port={port}" in command
    assert f"127.0.0.1:{port}/" in said["HEALTHCHECK"]
    assert f"{STORE_VARIABLE}=/store/" in said["ENV"]
    assert said["VOLUME"] == 'VOLUME ["/store"]'
