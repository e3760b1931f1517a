"""How a team's store is named: by the URL of a PostgreSQL database, which stands in a small file.

What belongs to a machine (logs, studies, saved endpoints, uploads) lies beside that file, as it does beside SQLite's.
A password is never in the URL, on the command line, on disk or on a screen: libpq looks for it in `PGPASSWORD` and
`~/.pgpass`.
"""

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.files import write_private

__all__ = ["VARIABLES", "is_team_address", "password_put_away", "team_address", "team_file"]

ENDING = ".team"
"""Of the file that holds the URL."""
VARIABLES = (
    "PGPASSWORD", "PGPASSFILE", "PGUSER", "PGSERVICE", "PGSERVICEFILE", "PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT",
    "PGSSLKEY",
)  # fmt: skip
"""Environment variables that libpq reads, and that a process of ours needs which opens a team's store."""


def is_team_address(named: str) -> bool:
    return re.match(r"postgres(ql)?:/", named) is not None


def team_file(address: str, folder: Path) -> Path:
    """The file below `folder` that stands for the team's store at `address`, made when missing.

    Raises:
        BadInput: the URL holds a password, or names no database.
    """
    address = re.sub(r"^postgres(?:ql)?:/+", "postgresql://", address)
    if _password(address):
        raise BadInput(
            "A password in the store's URL would be seen by everybody on this machine.",
            "Leave it out, and give it in PGPASSWORD or ~/.pgpass (or the whole URL in MIPRO_STUDIO_STORE).",
        )
    database = urlsplit(address).path.strip("/")
    if not database:
        raise BadInput("The store's URL names no database.", "Write it as postgresql://user@host/database.")
    name = re.sub(r"[^A-Za-z0-9_-]", "-", database)[:40]
    digest = hashlib.blake2b(address.encode(), digest_size=4).hexdigest()
    file = folder / f"{name}-{digest}" / f"store{ENDING}"
    if not file.is_file():
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(file, f"{address}\n".encode())
        except OSError as error:
            raise StudioError(f"{str(folder)!r} cannot be written: {error.strerror}.") from error
    return file


def team_address(store: Path) -> str | None:
    """The URL in a team's file; None for any other store.

    Raises:
        StudioError: the file cannot be read, or holds something else.
    """
    if store.suffix != ENDING:
        return None
    try:
        address = store.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StudioError(f"The store {store} cannot be read.", "Name the team's store by its URL.") from error
    if not is_team_address(address) or _password(address):
        raise StudioError(f"{store} holds no URL of a team's store.", "Write postgresql://user@host/database.")
    return address


def password_put_away(variable: str) -> str:
    """What the environment variable names, its password moved to `PGPASSWORD`, where libpq and our scrubber look."""
    named = os.environ[variable]
    if is_team_address(named) and (password := _password(named)):
        os.environ["PGPASSWORD"] = password
        named = os.environ[variable] = _without(named)
    return named


def _password(address: str) -> str:
    parts = urlsplit(address)
    userinfo = parts.netloc.rpartition("@")[0]
    return unquote(userinfo.partition(":")[2]) or dict(parse_qsl(parts.query)).get("password", "")


def _without(address: str) -> str:
    parts = urlsplit(address)
    userinfo, at, hosts = parts.netloc.rpartition("@")
    query = "&".join(part for part in parts.query.split("&") if part and not part.startswith("password="))
    return urlunsplit(parts._replace(netloc=f"{userinfo.partition(':')[0]}{at}{hosts}", query=query))
