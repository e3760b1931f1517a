"""A real PostgreSQL of this machine, for tests: a cluster of its own in a temporary folder, with a password."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mipro_studio.storage.beside.people import NAME_VARIABLE

PASSWORD = "not-to-be-seen-anywhere-7"
USER = "studio"
SERVER = "postgres"
"""The system's user that the server runs as where the tests are root's: PostgreSQL refuses to be root's."""


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`; None where no server is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def server() -> Iterator[str]:
    """The URL of an empty database, without its password: that is in `PGPASSWORD` from now on."""
    folder = programs()
    assert folder is not None, "no PostgreSQL is installed (apt-get install postgresql)"
    as_user = {"user": SERVER, "group": SERVER, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
        data, secret = Path(name) / "data", Path(name) / "password"
        secret.write_text(PASSWORD)
        for path in (Path(name), secret):
            if as_user:
                shutil.chown(path, SERVER, SERVER)
        made = [folder / "initdb", "-D", data, "-U", USER, "-A", "scram-sha-256", "--pwfile", secret, "--no-sync"]
        subprocess.run([*made, "-E", "UTF8", "--locale=C.UTF-8"], check=True, capture_output=True, cwd="/", **as_user)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off",
                    "max_connections": "200"}  # fmt: skip
        said = [f"-c{name}={value}" for name, value in settings.items()]
        log = (Path(name) / "log").open("wb")
        running = subprocess.Popen(
            [folder / "postgres", "-D", data, *said], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/",
            **as_user,
        )  # fmt: skip
        os.environ["PGPASSWORD"] = PASSWORD
        os.environ[NAME_VARIABLE] = ""  # who is named by the store's URL is tested apart
        try:
            url = f"postgresql://{USER}@127.0.0.1:{port}/postgres"
            _wait(url, running, Path(name) / "log")
            yield url
        finally:
            running.send_signal(2)  # ends sessions that are left
            running.wait(60)
            log.close()


def _wait(url: str, running: "subprocess.Popen[bytes]", log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + 120
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            assert running.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
