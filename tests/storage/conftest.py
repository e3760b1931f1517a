import itertools
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from mipro_studio.storage import Store
from mipro_studio.storage.team import team_file
from tests import postgres
from tests.storage.samples import HandClock

SQLITE, POSTGRESQL = "sqlite", "postgresql"

_numbers = itertools.count(1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module with `BACK_ENDS = True` holds what every database owes: its tests run on each, but `SQLITE_ALONE`."""
    alone = getattr(metafunc.module, "SQLITE_ALONE", ())
    both = getattr(metafunc.module, "BACK_ENDS", False) and metafunc.function.__name__ not in alone
    if "back_end" in metafunc.fixturenames and both:
        metafunc.parametrize("back_end", [SQLITE, POSTGRESQL], indirect=True)


@pytest.fixture
def back_end(request: pytest.FixtureRequest) -> str:
    return str(getattr(request, "param", SQLITE))


@pytest.fixture(scope="session")
def team_server() -> Iterator[str]:
    """A real PostgreSQL; where CI runs there is one."""
    if postgres.programs() is None or find_spec("psycopg") is None:
        pytest.skip("no PostgreSQL is installed (apt-get install postgresql)")
    with postgres.server() as url:
        yield url


def new_schema(server: str) -> str:
    """The URL of a schema of its own, which is as good as a database."""
    import psycopg

    name = f"team_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f"create schema {name}")
    return f"{server}?options=-csearch_path%3D{name}"


@pytest.fixture(scope="session")
def team_store(team_server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A team's store that tests use one after the other: making its tables takes longer than most of them."""
    url = new_schema(team_server)
    Store(team_file(url, tmp_path_factory.mktemp("team"))).close()
    return url


def emptied(url: str) -> str:
    """The store at `url` without what the test before left in it, connections included."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mipro-studio'")
        conn.execute("truncate table runs restart identity cascade")
    return url


@pytest.fixture
def path(back_end: str, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    if back_end == SQLITE:
        return tmp_path / "studio.db"
    return team_file(emptied(request.getfixturevalue("team_store")), tmp_path)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(path: Path, clock: HandClock) -> Iterator[Store]:
    with Store(path, clock) as opened:
        yield opened
