"""A hardened container is kept from all that is tried; less than that is seen."""

import pytest
from haconiwa_credentials import Credentials
from haconiwa_hardened import Hardened
from haconiwa_verify.attempts import ATTEMPTS
from system.world import PLUGINS
from verify.reports import like, report_of, results, states

PARTS = sorted(part.section for part in PLUGINS.expand(Hardened(root="/")))

NEEDED_BY_OTHERS = ("ns-mount", "ns-pid")

UNTRIED = {
    "cgroup": "nothing is exhausted that is not limited",
    "mount": "without it nothing is mounted, and less can be reached",
    "no-new-privs": "no set-user-ID program is in reach whose mount lets it count",
    "ns-time": "its clocks are the host's, as long as they are not set to something else",
    "rlimit": "nothing is exhausted that is not limited",
}
"""What no attempt of this container tells; all of them have rows that do."""


def hardened(root, **options):
    return Hardened(root=str(root), **{"memory": 64 << 20, "pids": 32, **options})


@pytest.mark.parametrize("ids", [2_000_000_000, "host"], ids=["shifted", "host"])
@pytest.mark.parametrize("user", [0, 1000])
@pytest.mark.parametrize("launcher", ["direct", "zygote", "helper"])
def test_all_holds(root, ids, user, launcher, leaves_nothing):
    features = [hardened(root, ids=ids), *([Credentials(uid=user, gid=user)] if user else [])]
    report = report_of(features, launcher=launcher)
    assert states(report, "fails", "unknown", "weak") == set()
    assert report.holds
    # As root of the host it is taken for that.
    assert results(report, "succeeded", "unanswered") == ({"be-root"} if ids == "host" and user == 0 else set())
    assert [outcome.name for outcome in report.outcomes] == [attempt.name for attempt in ATTEMPTS]
    # Here everything can be tried but what the host lacks, or this root.
    untold = {outcome.name: outcome.how for outcome in report.outcomes if outcome.result == "untold"}
    untold.pop("set-user-id", None)
    assert all(how.startswith(("cannot fail here: ", "the host has no interface")) for how in untold.values())


@pytest.mark.parametrize("section", [part for part in PARTS if part not in (*NEEDED_BY_OTHERS, *UNTRIED)])
def test_without_a_part_something_is_permitted(root, section):
    parts = [part for part in PLUGINS.expand(hardened(root)) if part.section != section]
    complete = report_of([hardened(root)])
    lacking = report_of(parts)
    assert results(lacking, "succeeded") > results(complete, "succeeded")
    # It was not asked for: nothing fails.
    assert lacking.holds
    assert lacking.permitted


@pytest.mark.parametrize("section", [part for part in PARTS if part not in NEEDED_BY_OTHERS])
def test_what_was_asked_for_and_is_not_done_fails(root, section):
    parts = [part for part in PLUGINS.expand(hardened(root)) if part.section != section]
    report = report_of([hardened(root)], like(parts))
    assert not report.holds
    rows = {row.section for row in report.rows if row.state == "fails"}
    # What depends on it fails as well.
    assert section in rows
