"""The state in a real server: what all states do, and leases, refusals, and a server that goes away."""

import asyncio
import signal
import time

import haconiwa_state_postgres.state
import psycopg
import pytest
from haconiwa_fastcontainer.state import Host, StateError
from haconiwa_fastcontainer.testing import HOST, StateContract, opened, row, until
from haconiwa_state_postgres.server import Server
from haconiwa_state_postgres.state import PostgresState
from haconiwa_state_postgres.testing import Database

OTHER = Host("there", 0, 100, 1 << 30, 0.5, "10.0.0.2", "there")
LEASE = 1.0


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let leases run out sooner."""
    monkeypatch.setattr(haconiwa_state_postgres.state, "LEASE", LEASE)
    monkeypatch.setattr(haconiwa_state_postgres.state, "_FRESH", LEASE / 2)


class TestPostgres(StateContract):
    @pytest.fixture
    def url(self, database: Database) -> str:
        return database.url


def test_hosts_are_told_as_they_report(database: Database) -> None:
    async def do() -> None:
        async with opened(database.url) as here, opened(database.url, OTHER) as there:
            await there.report(OTHER._replace(memory=5, load=0.25))
            hosts = {host.name: host for host in await here.hosts()}
            assert hosts["there"] == OTHER._replace(memory=5, load=0.25, holder="")
            assert hosts["here"] == HOST._replace(holder="")

    asyncio.run(do())


@pytest.mark.usefixtures("short_lease")
def test_host_that_does_not_report_is_forgotten_with_its_instances(database: Database) -> None:
    async def do() -> None:
        told: list[str] = []
        async with opened(database.url) as here, opened(database.url, OTHER) as there:
            assert await there.reserve(row("a", host="there"), 1)
            assert await there.reserve(row("b", "other", host="there"), 1)
            assert not await here.reserve(row("c"), 1)
            here.watch(told.append)
            await asyncio.sleep(LEASE * 1.2)
            assert [host.name for host in await here.hosts()] == ["here"]
            assert await here.rows() == []
            await here.report(HOST)
            await until(lambda: _seen("" in told))
            assert await here.reserve(row("c"), 1)
            # It has come back, and its place is taken.
            assert not await there.put(row("a", host="there"))
            assert not await there.reserve(row("a", host="there"), 1)
            assert await there.reserve(row("b", "other", host="there"), 1)

    asyncio.run(do())


@pytest.mark.usefixtures("short_lease")
def test_lease_that_has_run_out_unnoticed_is_renewed_by_whatever_is_asked(database: Database) -> None:
    async def do() -> None:
        async with opened(database.url) as here:
            assert await here.reserve(row("a"), 1)
            await asyncio.sleep(LEASE * 1.2)
            assert [each.name for each in await here.rows()] == ["a"]
            assert [host.name for host in await here.hosts()] == ["here"]

    asyncio.run(do())


@pytest.mark.usefixtures("short_lease")
def test_name_of_a_host_is_one_holders_until_its_lease_runs_out(database: Database) -> None:
    async def do() -> None:
        stranger = PostgresState(database.url)
        async with opened(database.url) as here:
            assert await here.reserve(row("a"), 1)
            with pytest.raises(StateError, match="another front has reported a host here"):
                await stranger.open(HOST._replace(holder="stranger"))
            async with opened(database.url) as next_front:
                assert [each.name for each in await next_front.rows()] == ["a"]
        await asyncio.sleep(LEASE * 1.2)
        async with opened(database.url, HOST._replace(holder="stranger")) as another:
            assert await another.rows() == await another.rows("web")

    asyncio.run(do())


def test_host_that_is_closed_gets_nothing_more(database: Database) -> None:
    async def do() -> None:
        async with opened(database.url) as here:
            async with opened(database.url, OTHER) as there:
                assert await there.reserve(row("a", host="there"), 1)
            assert not await here.reserve(row("b", "other", host="there"), 1)
            # The front that follows finds what is there.
            assert [each.name for each in await here.rows()] == ["a"]
            async with opened(database.url, OTHER):
                assert await here.reserve(row("b", "other", host="there"), 1)

    asyncio.run(do())


def test_front_that_takes_the_place_of_another_is_not_closed_by_it(database: Database) -> None:
    async def do() -> None:
        former = PostgresState(database.url)
        await former.open(HOST)
        async with opened(database.url) as here:
            await former.report(HOST)
            await former.close()
            assert [host.most for host in await here.hosts()] == [HOST.most]
        async with opened(database.url, OTHER) as there:
            assert {host.name: host.most for host in await there.hosts()} == {"here": 0, "there": OTHER.most}

    asyncio.run(do())


def test_host_that_nobody_has_reported_gets_nothing(database: Database) -> None:
    async def do() -> None:
        async with opened(database.url) as here:
            assert not await here.reserve(row("a", host="nowhere"), 1)

    asyncio.run(do())


@pytest.mark.usefixtures("short_lease")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_server_that_is_started_again_has_lost_nothing(database: Database, number: int) -> None:
    async def do() -> None:
        told: list[str] = []
        async with opened(database.url) as here, opened(database.url, OTHER) as there:
            assert await there.reserve(row("a", host="there"), 1)
            here.watch(told.append)
            there.watch(told.append)
            database.stop(number)
            for state in (here, there):
                with pytest.raises(StateError, match="the state in PostgreSQL: ") as refused:
                    await state.rows()
                assert "\n" not in str(refused.value)
            # Longer than a lease: nobody could renew any.
            await asyncio.sleep(LEASE * 1.5)
            database.start()
            assert not await here.reserve(row("b"), 1)
            assert [each.name for each in await here.rows()] == ["a"]
            await until(lambda: _seen(told.count("") >= 2))
            told.clear()
            assert await there.put(row("a", host="there", phase="running"))
            await until(lambda: _seen(told.count("web") >= 2))

    asyncio.run(do())


def test_connection_that_broke_while_nothing_was_asked_is_made_anew(database: Database) -> None:
    async def do() -> None:
        async with opened(database.url) as here:
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'haconiwa' AND pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.1)
            assert await here.rows() == []

    asyncio.run(do())


def test_front_that_stops_in_the_midst_holds_up_nobody(database: Database) -> None:
    async def do() -> None:
        async with opened(database.url) as here:
            stopped = await Server(database.url).connect()
            await stopped.execute("BEGIN")
            await stopped.execute("SELECT 1 FROM haconiwa.host FOR UPDATE")
            began = time.monotonic()
            await until(lambda: here.reserve(row("a"), 1))
            assert time.monotonic() - began > 0.5  # It was held up at first.
            await stopped.close()

    asyncio.run(do())


def test_many_fronts_make_the_tables_at_once(database: Database) -> None:
    async def do() -> None:
        states = [PostgresState(database.url) for _ in range(8)]
        await asyncio.gather(*(state.open(HOST) for state in states))
        assert [len(await state.hosts()) for state in states] == [1] * 8
        for state in states:
            await state.close()

    asyncio.run(do())


def test_tables_of_another_release_are_refused(database: Database) -> None:
    async def do() -> None:
        async with opened(database.url):
            pass
        database.execute("UPDATE haconiwa.version SET number = 99")
        with pytest.raises(StateError, match="have the version 99"):
            await PostgresState(database.url).open(HOST)

    asyncio.run(do())


def test_front_needs_no_right_to_make_what_is_there(database: Database) -> None:
    async def do() -> None:
        async with opened(database.url):
            pass
        database.execute("DROP ROLE IF EXISTS front")
        database.execute("CREATE ROLE front LOGIN")
        database.execute("GRANT USAGE ON SCHEMA haconiwa TO front")
        database.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA haconiwa TO front")
        async with opened(database.url.replace("haconiwa@", "front@")) as here:
            assert await here.reserve(row("a"), 1)

    asyncio.run(do())


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://front:top/secret@localhost/database",
        "postgresql://front:topsecret@localhost:port/database",
        "postgresql://localhost/?topsecret=1",
        "postgresql://[topsecret",
        "postgresql://front:123/topsecret@localhost/database",
    ],
)
def test_url_that_is_wrong_is_not_told(url: str) -> None:
    with pytest.raises(StateError, match="cannot be read") as refused:
        PostgresState(url)
    assert "secret" not in str(refused.value)
    assert refused.value.__context__ is None


def test_password_is_not_told(database: Database) -> None:
    async def do() -> None:
        url = f"postgresql://topsecret:topsecret@/topsecret?host={database.folder}"
        with pytest.raises(StateError) as refused:
            await PostgresState(url).open(HOST)
        assert "secret" not in str(refused.value)
        assert refused.value.__suppress_context__

    asyncio.run(do())


def test_server_that_is_not_there_is_told(database: Database) -> None:
    async def do() -> None:
        with pytest.raises(StateError, match="nowhere"):
            await PostgresState("postgresql:///database?host=/nowhere").open(HOST)
        with pytest.raises(psycopg.Error):
            await Server("postgresql:///database?host=/nowhere").connect()

    asyncio.run(do())


async def _seen(value: bool) -> bool:
    return value
