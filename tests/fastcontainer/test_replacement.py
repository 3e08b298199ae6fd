"""Another definition, or another root: instances are replaced, and no request is lost."""

from __future__ import annotations

import json
import signal

from fastcontainer.fronts import HELLO, Front, until
from fastcontainer.test_http import asked
from fastcontainer.test_restart import load

VERSIONS = 'hosts = ["web.test"]\nidle = 30'


def version(number: int) -> str:
    """Return a web service that tells its version."""
    return HELLO.replace("hello from", f"hello from version-{number}")


def told(front: Front) -> bytes:
    """Return the version that answers."""
    return asked(front)[1].split()[2]


def test_new_definition_replaces_instances_under_load(front: Front) -> None:
    front.write("web", version(1), VERSIONS, "[ns-net]\n[ns-pid]\n[rlimit]\nnofile = 500\n")
    front.start()
    with load(front):
        assert told(front) == b"version-1"
        front.write("web", version(2), VERSIONS, "[ns-net]\n[ns-pid]\n[rlimit]\nnofile = 600\n")
        front.process.send_signal(signal.SIGHUP)
        until(lambda: told(front) == b"version-2", "that the new version answers")
        until(lambda: len(front.containers()) == 1, "that the old instance ends")
    assert "replaced" in [event["reason"] for event in front.events("stopping")]


def test_broken_new_version_leaves_the_old_one(front: Front) -> None:
    front.write("web", version(1), VERSIONS, "[ns-net]\n[ns-pid]\n[rlimit]\nnofile = 500\n")
    front.start()
    assert told(front) == b"version-1"
    (name,) = front.containers()
    front.write("web", "raise SystemExit(1)", VERSIONS, "[ns-net]\n[ns-pid]\n[rlimit]\nnofile = 600\n")
    front.process.send_signal(signal.SIGHUP)
    until(lambda: list(front.events("kept")), "that it is told")
    assert asked(front)[0].status == 200
    assert name in front.containers()


def test_another_file_that_the_plan_is_made_from_replaces_instances(front: Front) -> None:
    profile = front.folder / "profile.json"
    allowing = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}
    profile.write_text(json.dumps(allowing))
    rest = f'[ns-net]\n[ns-pid]\n[seccomp]\nprofile = "{profile}"\n[no-new-privs]\n'
    front.write("web", version(1), VERSIONS, rest)
    front.start()
    with load(front):
        before = front.containers()
        refusing = [{"names": ["swapoff"], "action": "SCMP_ACT_ERRNO"}]
        profile.write_text(json.dumps({**allowing, "syscalls": refusing}))
        until(lambda: list(front.events("renewed")), "that it is noticed")
        until(lambda: len(front.containers()) == 1 and front.containers() != before, "that there is another one")


def test_service_that_is_gone_ends(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]')
    front.write("other", HELLO, 'hosts = ["other.test"]')
    front.start()
    assert asked(front, Host="other.test")[0].status == 200
    (front.folder / "other.toml").write_text('command = ["true"]\n')
    front.process.send_signal(signal.SIGHUP)
    until(lambda: len(list(front.events("serving"))) == 2, "that another front serves")
    until(lambda: not front.containers(), "that the container ends")
    assert asked(front, Host="other.test")[0].status == 421
    assert asked(front)[0].status == 200
