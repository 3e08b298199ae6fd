"""`haconiwa provision`, as it is called."""

import subprocess
import sys
from pathlib import Path

import pytest

from haconiwa_core.testing import needs_program, needs_root

pytestmark = [needs_root, needs_program("busybox")]

DEFINITION = """
name = "web"
command = ["sh", "-c", "true"]

[rootfs.strategy.shell]
script = 'mkdir "$1/bin" "$1/etc" && cp /bin/busybox "$1/bin/sh"'

[[rootfs.provision]]
name = "good"
shell = "printf 'one\\\\033[2J\\\\ntwo\\\\n'"

[[rootfs.provision]]
name = "bad"
shell = "for number in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22; do echo $number; done; exit 3"
"""


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("HACONIWA_ROOTS", "HACONIWA_STATE"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    (tmp_path / "web.toml").write_text(DEFINITION)


def haconiwa(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "haconiwa_core", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_output_has_the_steps_name_and_acts_on_no_terminal() -> None:
    assert haconiwa("create", "web.toml").returncode != 0
    done = haconiwa("provision", "--only", "good", "web.toml")
    assert (done.returncode, done.stdout) == (0, "")
    one, two = done.stderr.splitlines()
    assert (one[:9], two) == ("good: one", "good: two")
    assert "\033" not in one


def test_quiet_shows_the_last_lines_of_what_fails() -> None:
    done = haconiwa("create", "--quiet", "web.toml")
    assert done.returncode != 0
    *lines, error = done.stderr.splitlines()
    assert lines == [f"bad: {number}" for number in range(3, 23)]
    assert "the step bad has ended with status 3" in error


def test_a_root_that_is_not_there() -> None:
    done = haconiwa("provision", "web.toml")
    assert done.returncode != 0
    assert "haconiwa create" in done.stderr


def test_a_container_without_such_a_root() -> None:
    Path("web.toml").write_text('name = "web"\ncommand = ["true"]\n')
    done = haconiwa("provision", "web.toml")
    assert done.returncode != 0
    assert "no container of web.toml has a section rootfs" in done.stderr
