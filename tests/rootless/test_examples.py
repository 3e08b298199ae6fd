"""The examples of examples/, run by an ordinary user who has copied them: what he adds is a user namespace."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rootless.conftest import CHECKOUT, COUNT, FIRST, HOME, RANGES, UID, Run, output

from haconiwa_core.testing import needs_program

REQUEST = """
import urllib.request
with urllib.request.urlopen("http://127.0.0.1:8080/") as answer:
    print(answer.read().decode())
"""


@pytest.fixture(scope="module")
def examples(machine: Path) -> Path:
    """His copy."""
    copy = shutil.copytree(CHECKOUT / "examples", HOME / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (copy, *copy.rglob("*")):
        os.chown(path, UID, UID)
    return copy


@contextmanager
def running(user: Run, definition: Path, *names: str) -> Iterator[dict[str, int]]:
    """Run containers in the background; yield the pid of each by the name of its definition."""
    done = user("run", "-d", *RANGES, definition)
    rows = json.loads(output(user("ps", "--format", "json")))
    told = {row["definition"]: row for row in rows}
    try:
        assert done.returncode == 0, done.stderr
        assert {told[name]["state"] for name in names} == {"running"}
        yield {name: told[name]["pid"] for name in names}
    finally:
        user("rm", "--force", *(row["name"] for row in rows))


def answer(pid: int) -> str:
    """Return the page that a server answers with in its own network."""
    command = ["nsenter", "--target", str(pid), "--net", sys.executable, "-c", REQUEST]
    for _ in range(200):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout
        time.sleep(0.05)
    return done.stderr


@needs_program("nsenter")
@pytest.mark.parametrize(
    ("file", "name"),
    [("web.toml", "web"), ("web.py", "web"), pytest.param("nginx.py", "nginx", marks=needs_program("nginx"))],
)
def test_a_server_answers(file: str, name: str, examples: Path, user: Run) -> None:
    """As www-data of the container, who is a subordinate of the caller's on the host."""
    with running(user, examples / file, name) as pids:
        assert "Hello from inside." in answer(pids[name])
        assert FIRST <= os.stat(f"/proc/{pids[name]}").st_uid < FIRST + COUNT


def test_one_that_is_drained(examples: Path, user: Run) -> None:
    with running(user, examples / "draining.py", "server") as pids:
        assert os.readlink(f"/proc/{pids['server']}/ns/net") != os.readlink("/proc/self/ns/net")


def test_two_of_which_one_needs_the_other(examples: Path, user: Run) -> None:
    with running(user, examples / "services.py", "db", "web") as pids:
        assert {os.stat(f"/proc/{pid}").st_uid for pid in pids.values()} == {UID}


def test_rootless(examples: Path, user: Run) -> None:
    assert "uid=0(root) gid=0(root)" in output(user("run", "--rm", examples / "rootless.toml"))


def test_shell(examples: Path, user: Run) -> None:
    done = user("run", "--rm", *RANGES, examples / "shell.py", "--", "sh", "-c", "uname -n; echo $$; touch /etc/new")
    assert done.stdout.split() == ["shell", "1"]
    assert "Read-only file system" in done.stderr


def test_several(examples: Path, user: Run) -> None:
    done = user("run", "--rm", *RANGES, examples / "several.py")
    assert sorted(output(done).splitlines()) == [
        "plain | plain may open 1024 files",
        "strict | strict may open 64 files",
    ]


def test_a_failure_is_told(examples: Path, user: Run) -> None:
    assert user("run", "--rm", examples / "notify_failure.py").returncode == 3


@pytest.mark.parametrize("file", ["cpu_burst.py", "memory_on_demand.py", "scale.py"])
def test_limits_need_a_group(file: str, examples: Path, user: Run) -> None:
    done = user("run", "--rm", *RANGES, examples / file)
    assert done.returncode in (2, 125)
    assert "scope" in done.stderr
    assert "parent" in done.stderr


@pytest.mark.parametrize("file", ["web.toml", "web.py", "several.py", "shell.py", "draining.py", "services.py"])
def test_without_a_user_namespace_the_way_is_told(file: str, examples: Path, user: Run) -> None:
    done = user("run", "--rm", examples / file)
    assert done.returncode == 2
    assert "needs CAP_SYS_ADMIN, which the caller does not have; run as root, or add ns-user" in done.stderr
