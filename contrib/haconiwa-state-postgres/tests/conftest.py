from collections.abc import Iterator

import pytest
from haconiwa_state_postgres.testing import Database, find_programs

PROGRAMS = find_programs()


@pytest.fixture(scope="session")
def server() -> Iterator[Database]:
    if PROGRAMS is None:
        pytest.skip("no PostgreSQL server is installed")
    made = Database(PROGRAMS)
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture
def database(server: Database) -> Database:
    """Give a server that has nothing yet."""
    server.execute("DROP SCHEMA IF EXISTS haconiwa CASCADE")
    return server
