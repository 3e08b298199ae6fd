"""Ranges of ids: what /etc/subuid and /etc/subgid give, mapped by newuidmap and newgidmap on a real process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from rootless.conftest import COUNT, FIRST, NAME, RANGES, UID, VARIABLES, Run, as_user, output

MAPS = "cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups"


@pytest.fixture
def container(user: Run) -> Iterator[int]:
    """Run a container whose command is user 1000; yield its pid on the host."""
    options = (*RANGES, "--set", "credentials.uid=1000", "--set", "credentials.groups=[44]")
    output(user("run", "-d", "--name", "box", *options, "--", "sleep", "1000"))
    yield int(json.loads(output(user("inspect", "box", "--format", "json")))["child"]["pid"])
    user("rm", "--force", "box")


def test_all_that_he_is_given(user: Run) -> None:
    shown = output(user("run", "--rm", *RANGES, "--", "sh", "-c", MAPS)).split()
    mapped = ["0", str(UID), "1", "1", str(FIRST), str(COUNT)]
    assert shown == [*mapped, *mapped, "allow"]


def test_one_id_without_being_asked(user: Run) -> None:
    shown = output(user("run", "--rm", "--with", "ns-user", "--", "sh", "-c", MAPS)).split()
    assert shown == ["0", str(UID), "1", "0", str(UID), "1", "deny"]


def test_users_of_the_container_are_his_subordinates_on_the_host(container: int) -> None:
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{container}/status").read_text().splitlines())
    assert status["Uid"].split() == [str(FIRST + 999)] * 4
    assert status["Gid"].split() == [str(FIRST + 999)] * 4
    assert status["Groups"].split() == [str(FIRST + 43)]


def test_a_command_that_is_put_into_it_has_the_same_ids(container: int, user: Run) -> None:
    shown = output(user("exec", "box", "--", "sh", "-c", f"id -u; {MAPS}")).split()
    assert shown[0] == "1000"
    assert shown[1:7] == ["0", str(UID), "1", "1", str(FIRST), str(COUNT)]


def test_it_has_no_groups_of_his(user: Run) -> None:
    """With one id mapped the kernel keeps them; with ranges they are given up."""
    script = ("--", "sh", "-c", "grep Groups /proc/self/status")
    one = output(user("run", "--rm", "--with", "ns-user", *script, groups="--groups=44"))
    ranges = output(user("run", "--rm", *RANGES, *script, groups="--groups=44"))
    assert (one.split(), ranges.split()) == (["Groups:", "65534"], ["Groups:"])


def test_files_that_it_makes_belong_to_its_users(user: Run) -> None:
    folder = Path("/run/shared")
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    script = f"touch {folder}/his && chown 1000:1000 {folder}/his && touch {folder}/own"
    output(user("run", "--rm", *RANGES, "--", "sh", "-c", script))
    owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in folder.iterdir()}
    assert owners == {"his": (FIRST + 999, FIRST + 999), "own": (UID, UID)}


def test_what_he_is_not_given(machine: Path, user: Run) -> None:
    given = (machine / "subuid").read_text()
    (machine / "subuid").write_text("another:1:1\n")
    try:
        done = user("run", "--rm", *RANGES, "--", "true")
    finally:
        (machine / "subuid").write_text(given)
    assert done.returncode == 2
    assert f"ns-user.uid_map: /etc/subuid gives no ids to {NAME}; " in done.stderr
    assert f"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {NAME}" in done.stderr


def test_without_the_helpers(user: Run) -> None:
    """They are looked for where programs are."""
    python = {**VARIABLES, "PATH": "/nowhere"}
    done = user("run", "--rm", *RANGES, "--", "true", env=python)
    assert done.returncode == 125
    assert "newuidmap: No such file or directory" in done.stderr
    assert "apt-get install uidmap" in done.stderr


def test_a_helper_that_does_nothing_is_noticed(user: Run) -> None:
    """What is in force is read back; nothing of the container is left."""
    folder = Path("/run/helpers")
    folder.mkdir(exist_ok=True)
    (folder / "newuidmap").write_text("#!/bin/sh\nexit 0\n")
    (folder / "newuidmap").chmod(0o755)
    done = user("run", "--rm", *RANGES, "--", "true", env={**VARIABLES, "PATH": f"{folder}:{os.defpath}"})
    assert done.returncode == 125
    assert "newuidmap has not written what it was asked for" in done.stderr
    assert as_user("ls", "/run/user/haconiwa").stdout == ""
