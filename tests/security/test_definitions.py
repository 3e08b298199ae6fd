"""What decides what runs as root: definitions, their folder, user names, log lines."""

import os
import subprocess
import sys

import pytest
from haconiwa_credentials import Credentials
from system.world import haconiwa, planned, ran

from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError

PYTHON = "from haconiwa_core.container import Container\nc = Container('c', ['/bin/true'])\n"
TOML = 'name = "c"\ncommand = ["/bin/true"]\n'


def make_writable(file):
    file.chmod(0o666)


def give_away(file):
    os.chown(file, 1000, -1)


def open_folder(file):
    file.parent.chmod(0o777)


@pytest.mark.parametrize("weaken", [make_writable, give_away, open_folder])
@pytest.mark.parametrize(("name", "text"), [("c.py", PYTHON), ("c.toml", TOML)])
def test_definitions_that_others_can_write(tmp_path, name, text, weaken, leaves_nothing):
    file = tmp_path / "folder" / name
    file.parent.mkdir()
    file.write_text(text)
    assert haconiwa("run", "--rm", file).returncode == 0
    weaken(file)
    done = haconiwa("run", "--rm", file)
    assert done.returncode != 0
    assert "refused" in done.stderr


def test_the_working_directory_decides_nothing(tmp_path):
    """The installed program does not import from where it is called."""
    for name in ("haconiwa_core", "structlog", "haconiwa_rlimit"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the working directory')")
    program = os.path.join(os.path.dirname(sys.executable), "haconiwa")
    done = subprocess.run(
        [program, "plugins", "list", "--load"], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "rlimit" in done.stdout


USERS = ["", ":", "0x0", "1000:", " 0", "root\n", "1e3", "0", "+1", "\uff11\uff10", "root:x", "../root", "\x00"]


@pytest.mark.parametrize("option", ["uid", "gid", "groups"])
@pytest.mark.parametrize("text", USERS, ids=ascii)
def test_users_that_are_none(text, option):
    value = (text,) if option == "groups" else text
    with pytest.raises(DefinitionError):
        planned(Container("c", ["x"], [Credentials(**{option: value})]))


@pytest.mark.parametrize("number", [-1, 2**32 - 1, 2**32, True, 1.0], ids=repr)
def test_numbers_that_are_no_users(number):
    with pytest.raises(DefinitionError):
        planned(Container("c", ["x"], [Credentials(uid=number)]))


def test_the_highest_user(leaves_nothing):
    container = Container("c", ["/bin/busybox", "id", "-u"], [Credentials(uid=2**32 - 2)])
    assert ran(container).output == f"{2**32 - 2}\n"


@pytest.mark.parametrize("format", ["console", "json"])
def test_messages_cannot_be_forged(format, tmp_path):
    """What a definition says appears in our messages as text, and never as a line or an escape of its own."""
    forged = "x\nhaconiwa: error: forged\x1b]0;title\x07\x9b31m"
    done = haconiwa("--log-format", format, "run", "--", f"/no/{forged}")
    assert done.returncode == 127
    assert not any(letter in done.stderr for letter in "\x1b\x07\x9b")
    assert not any(line.startswith("haconiwa: error: forged") for line in done.stderr.splitlines())


def test_output_is_no_message(tmp_path):
    forged = "haconiwa: error: forged"
    file = tmp_path / "several.py"
    file.write_text(
        "from haconiwa_core.container import Container\n"
        f"a, b = (Container(name, ['/bin/echo', {forged!r}]) for name in 'ab')\n"
    )
    done = haconiwa("run", "--rm", file)
    assert sorted(done.stdout.splitlines()) == [f"a | {forged}", f"b | {forged}"]
    assert done.stderr == ""


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    "text", [f"x = {DEEP}", "x = 1\n" * 2, "\x00", "x" * (10 << 20)], ids=["deep", "twice", "nul", "long"]
)
def test_toml_that_is_none(tmp_path, text):
    file = tmp_path / "c.toml"
    file.write_text(text)
    done = haconiwa("plan", file)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 10_000
