"""The tables, and what is asked of them; all times of leases are those of the server's clock."""

from __future__ import annotations

VERSION = 1
"""Of the tables. Another number is another release's."""

LOCK = 0x6861636F6E697761
"""Key of the advisory lock under which the tables are made."""

FIND = "SELECT to_regclass('haconiwa.version') IS NOT NULL"
READ_VERSION = "SELECT number FROM haconiwa.version"

# Nobody can renew a lease while the server is away: all hosts get the time for it when it is back.
CREATE = """
CREATE SCHEMA haconiwa;
CREATE TABLE haconiwa.version (number integer NOT NULL);
CREATE TABLE haconiwa.host (
    name text PRIMARY KEY, holder text NOT NULL, front text NOT NULL, renewed timestamptz NOT NULL,
    most integer NOT NULL, memory bigint NOT NULL, load double precision NOT NULL, address text NOT NULL
);
CREATE TABLE haconiwa.instance (
    name text PRIMARY KEY, service text NOT NULL, host text NOT NULL REFERENCES haconiwa.host ON DELETE CASCADE,
    phase text NOT NULL, generation text NOT NULL, address text NOT NULL, port integer NOT NULL,
    since double precision NOT NULL, owner text NOT NULL
);
CREATE INDEX ON haconiwa.instance (service);
CREATE INDEX ON haconiwa.instance (host);
CREATE FUNCTION haconiwa.is_over(renewed timestamptz, lease double precision) RETURNS boolean LANGUAGE sql VOLATILE
    RETURN greatest(renewed, pg_postmaster_start_time()) + make_interval(secs => lease) < clock_timestamp();
"""
NOTE_VERSION = "INSERT INTO haconiwa.version VALUES (%s)"

LISTEN = "LISTEN haconiwa"
TELL = "SELECT pg_notify('haconiwa', %s)"

TAKE_LOCK = "SELECT pg_advisory_xact_lock(%s)"

# While one front takes the place of another one, both report; the host is the later one's to close.
REPORT = """
INSERT INTO haconiwa.host AS host
VALUES (%(name)s, %(holder)s, %(front)s, clock_timestamp(), %(most)s, %(memory)s, %(load)s, %(address)s)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, renewed = excluded.renewed, most = excluded.most,
    memory = excluded.memory, load = excluded.load, address = excluded.address,
    front = CASE WHEN %(takes)s THEN excluded.front ELSE host.front END
WHERE host.holder = excluded.holder OR haconiwa.is_over(host.renewed, %(lease)s)
"""

CLOSE = "UPDATE haconiwa.host SET most = 0 WHERE name = %(name)s AND front = %(front)s"

# Their instances go with them. What is locked is about to be forgotten, or to report.
FORGET_HOSTS = """
DELETE FROM haconiwa.host WHERE name IN (
    SELECT name FROM haconiwa.host WHERE haconiwa.is_over(renewed, %(lease)s) FOR UPDATE SKIP LOCKED
)
"""

HOSTS = """
SELECT name, (SELECT count(*) FROM haconiwa.instance WHERE instance.host = its.name), most, memory, load, address
FROM haconiwa.host AS its WHERE NOT haconiwa.is_over(renewed, %(lease)s)
"""

ROWS = """
SELECT its.name, service, host, phase, generation, its.address, port, since, owner
FROM haconiwa.instance AS its JOIN haconiwa.host ON host.name = its.host
WHERE %(service)s IN ('', service) AND NOT haconiwa.is_over(renewed, %(lease)s)
"""

# Whoever holds it has the host's number of instances for itself, until its transaction ends.
LOCK_HOST = "SELECT most FROM haconiwa.host WHERE name = %(host)s FOR UPDATE"

ADD = """
INSERT INTO haconiwa.instance
SELECT %(name)s, %(service)s, %(host)s, %(phase)s, %(generation)s, %(address)s, %(port)s, %(since)s, %(owner)s
WHERE (SELECT count(*) FROM haconiwa.instance WHERE service = %(service)s AND phase <> 'draining') < %(fewer_than)s
    AND (SELECT count(*) FROM haconiwa.instance WHERE host = %(host)s) < %(most)s
"""

PUT = """
UPDATE haconiwa.instance
SET phase = %(phase)s, generation = %(generation)s, address = %(address)s, port = %(port)s, since = %(since)s,
    owner = %(owner)s
WHERE name = %(name)s RETURNING service
"""

REMOVE = "DELETE FROM haconiwa.instance WHERE name = %(name)s RETURNING service"
