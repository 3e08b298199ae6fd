"""An ordinary user verifies what he may start."""

import json

from system.test_ordinary_user import _usable, readable_root, user

__all__ = ["_usable", "readable_root", "user"]

OWN = [word for name in ("ns-user", "ns-mount", "ns-pid", "ns-ipc", "ns-net", "ns-uts") for word in ("--with", name)]


def verified(user, *arguments):
    done = user("verify", "--format", "json", *arguments, "--", "true")
    assert (done.returncode, done.stderr) == (0, "")
    (report,) = json.loads(done.stdout)
    return {item["name"]: item["result"] for item in report["attempts"]}, report


def test_without_anything(user):
    results, report = verified(user)
    assert results["read-path"] == results["loopback"] == results["shared-memory"] == "succeeded"
    # What only root may do says nothing.
    assert {results[name] for name in ("mount", "device", "clock", "be-root")} == {"untold"}
    assert report["holds"]


def test_with_namespaces(user):
    results, report = verified(user, *OWN)
    assert {results[name] for name in ("loopback", "signal-process", "shared-memory", "know-host-name")} == {"denied"}
    states = {row["what"]: row["state"] for row in report["rows"]}
    assert {states[f"{kind} namespace"] for kind in ("user", "mount", "pid", "ipc", "network", "uts")} == {"holds"}


def test_with_another_root(user, readable_root):
    results, _ = verified(user, *OWN, "--set", f"chroot.root={readable_root}")
    assert {results[name] for name in ("read-path", "write-path")} == {"denied"}
