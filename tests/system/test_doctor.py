"""`haconiwa doctor` with all plugins, on the host and within containers."""

import json
import sys

import pytest
from system.world import haconiwa

PLUGINS = {"plugin apparmor", "plugin init", "plugin landlock", "plugin seccomp"}

OWN_WORLD = [
    *("--with", "ns-user", "--with", "ns-mount", "--with", "ns-pid", "--with", "ns-net"),
    *("--set", "mount.proc=true", "--set", "chroot.root=/"),
]


def checks_of(done):
    assert done.stderr == ""
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_plugins_have_checks_of_their_own(root):
    groups = {check["group"] for check in checks_of(haconiwa("doctor", "--format", "json")).values()}
    assert {group for group in groups if group.startswith("plugin ")} >= PLUGINS


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ([], set()),
        (OWN_WORLD, set()),
        (["--with", "capabilities"], {"CAP_SYS_ADMIN", "net namespace", "mount API"}),
        (
            ["--with", "capabilities", "--with", "no-new-privs", "--with", "seccomp"],
            {"net namespace", "user namespace"},
        ),
    ],
    ids=["nothing", "namespaces", "capabilities", "filter"],
)
def test_within_a_container(options, missing):
    """It tells what the container allows, and ends whatever that is."""
    command = [sys.executable, "-m", "haconiwa_core", "doctor", "--format", "json"]
    done = haconiwa("run", "--rm", *options, "--", *command)
    checks = checks_of(done)
    assert missing <= {name for name, check in checks.items() if check["state"] == "missing"}
    if not missing:
        assert checks["clone3"]["state"] == "ok"
        assert checks["user namespace"]["state"] == "ok"
