"""Containers on stored roots, as people make and use them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from haconiwa_core.testing import needs_program, needs_root

pytestmark = [needs_root, needs_program("busybox")]

ROOT = """
[rootfs]
{options}

[rootfs.strategy.shell]
script = '''
mkdir "$1/bin" "$1/etc"; cp /bin/busybox "$1/bin/busybox"; ln -s busybox "$1/bin/sh"
printf 'root::0:0::/:/bin/sh\\nuser:x:1234:1234::/:/bin/sh\\n' > "$1/etc/passwd"; touch "$1/etc/group"
chmod 4755 "$1/bin/busybox"
'''
"""
NAMESPACES = "[ns-mount]\n[ns-pid]\n[mount]\nproc = true\n"
OWN_IDS = """
[ns-user]
uid_map = [{ inside = 0, outside = 100000, count = 65536 }]
gid_map = [{ inside = 0, outside = 100000, count = 65536 }]
"""


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("HACONIWA_ROOTS", "HACONIWA_STATE"):
        monkeypatch.setenv(variable, str(tmp_path / variable))


def haconiwa(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "haconiwa_core", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def define(script: str, options: str = "", more: str = "") -> str:
    command = json.dumps(["/bin/sh", "-c", script])
    Path("box.toml").write_text(f'name = "box"\ncommand = {command}\n{NAMESPACES}{more}{ROOT.format(options=options)}')
    return "box.toml"


def run(script: str, options: str = "", more: str = "") -> str:
    file = define(script, options, more)
    made = haconiwa("create", file)
    assert made.returncode == 0, made.stderr
    done = haconiwa("run", "--rm", file)
    assert done.returncode == 0, done.stderr
    return done.stdout


def layer() -> Path:
    (found,) = Path("HACONIWA_ROOTS").glob("layers/*/*")
    return found


def names_in(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


def test_before_it_is_created() -> None:
    done = haconiwa("run", define("true"))
    assert done.returncode == 2
    assert "rootfs.strategy: this root has not been created; haconiwa create FILE" in done.stderr


@pytest.mark.parametrize("more", ["", OWN_IDS], ids=["ids of the host", "ids of its own"])
def test_a_root_that_is_only_read(more: str) -> None:
    script = "busybox touch /new || echo refused; busybox stat -c %u /bin/busybox; busybox ls -d /proc/1"
    assert run(script, more=more).splitlines() == ["refused", "0", "/proc/1"]
    # Where /proc is mounted was made in memory.
    assert names_in(layer()) == {"bin", "bin/busybox", "bin/sh", "etc", "etc/group", "etc/passwd"}


@pytest.mark.parametrize("more", ["", OWN_IDS], ids=["ids of the host", "ids of its own"])
def test_changes_end_with_the_container(more: str) -> None:
    script = "busybox ls /; echo new > /new && busybox rm -r /etc && busybox chown 5:5 /bin && busybox ls /"
    assert run("true", "writable = true", more) == ""
    before = facts_of(layer())
    outcome = run(script, "writable = true", more)
    assert outcome.split() == ["bin", "etc", "proc", "bin", "new", "proc"]
    assert run(script, "writable = true", more) == outcome
    assert facts_of(layer()) == before


def facts_of(tree: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.lstat().st_uid, path.lstat().st_mtime_ns) for path in (tree, *tree.rglob("*"))}


def test_changes_have_a_size() -> None:
    script = "busybox yes | busybox head -c 4000000 > /big; busybox stat -c %s /big; busybox df / | busybox tail -n 1"
    size, _, blocks, *_ = run(script, 'writable = true\nsize = "1M"').split()
    assert 0 < int(size) <= 1 << 20
    assert blocks == "1024"


@pytest.mark.parametrize("options", ["", "writable = true"])
@pytest.mark.parametrize("more", ["", OWN_IDS], ids=["ids of the host", "ids of its own"])
def test_nothing_lies_above_the_root(options: str, more: str) -> None:
    """What merging needs was mounted over the old root, and must not be what ".." of the new one is."""
    script = "busybox stat -c '%d %i' / /.. /../..; busybox grep -vc ' /proc' /proc/self/mountinfo; busybox ls -a /.."
    here, above, further, mounts, *names = run(script, options, more).split("\n")
    assert here == above == further
    assert mounts == "1"
    assert "HACONIWA_ROOTS" not in names


def test_set_user_id_programs_are_just_programs() -> None:
    user = '[credentials]\nuid = "user"\nlookup = "root"\n'
    script = "busybox id -u; busybox su -c 'busybox id -u' root 2>&1"
    number, refused = run(f"{script}; true", more=user).splitlines()
    assert number == "1234"
    assert "must be suid" in refused
    assert run(script, "nosuid = false", user).splitlines() == ["1234", "0"]


def test_a_root_is_given_away_and_changed_when_it_is_built() -> None:
    options = "owner = '1234:4321'\npostprocess = 'busybox id -u > /id; echo told'"
    script = "busybox cat /id; busybox stat -c %u:%g /bin/busybox /id"
    file = define(script, options)
    made = haconiwa("create", file)
    assert made.returncode == 0, made.stderr
    assert "postprocess: told\n" in made.stderr
    assert haconiwa("run", "--rm", file).stdout.splitlines() == ["0", "1234:4321", "0:0"]
    define(script, options.replace("echo told", "exit 3"))
    refused = haconiwa("create", file)
    assert "the step postprocess has ended with status 3" in refused.stderr
    assert len(json.loads(haconiwa("roots", "list", "--format", "json").stdout)) == 1


def test_two_containers_share_one_layer() -> None:
    for options in ("", "writable = true"):
        run("true", options)
    assert len(list(Path("HACONIWA_ROOTS").glob("layers/*/*"))) == 1


def test_directories_of_the_host() -> None:
    Path("host.toml").write_text(
        'name = "box"\ncommand = ["sh", "-c", "id -u; touch /usr/new || echo refused; ls /etc"]\n'
        f"{NAMESPACES}[rootfs.strategy.host]\nfiles = ['/etc/passwd']\n"
    )
    assert haconiwa("create", "host.toml").returncode == 0
    done = haconiwa("run", "--rm", "host.toml")
    assert done.stdout.split() == ["0", "refused", "passwd"], done.stderr


def test_roots_are_listed_and_removed() -> None:
    file = define("exec busybox sleep 600", "writable = true")
    assert haconiwa("create", file).returncode == 0
    assert haconiwa("run", "-d", "--name", "box", file).returncode == 0
    (told,) = json.loads(haconiwa("roots", "list", "--format", "json").stdout)
    assert told["used_by"] == ["box"]
    assert told["by"] == "shell"
    key = told["key"]
    refused = haconiwa("roots", "remove", key[:8])
    assert refused.returncode != 0
    assert f"{key[:8]} is used by box" in refused.stderr
    assert haconiwa("rm", "--force", "box").returncode == 0
    assert haconiwa("roots", "remove", "f" * 64).returncode != 0
    assert haconiwa("roots", "remove", key).returncode == 0
    assert haconiwa("roots", "prune").stdout.startswith("removed 1, ")
    assert list(Path("HACONIWA_ROOTS").glob("layers/*/*")) == []


def test_roots_of_another_store_are_not_in_the_way() -> None:
    file = define("exec busybox sleep 600", "store = 'other'")
    assert haconiwa("create", file).returncode == 0
    assert haconiwa("run", "-d", "--name", "box", file).returncode == 0
    try:
        assert haconiwa("roots", "prune").stdout == "removed 0, 0 B\n"
        (told,) = json.loads(haconiwa("roots", "--store", "other", "list", "--format", "json").stdout)
        assert told["used_by"] == ["box"]
    finally:
        haconiwa("rm", "--force", "box")


def test_force_builds_it_again() -> None:
    Path("n").write_text("1")
    file = define("busybox cat /n")
    text = Path(file).read_text().replace('mkdir "$1/bin"', 'cp n "$1/n"; mkdir "$1/bin"')
    Path(file).write_text(text)
    assert haconiwa("create", file).returncode == 0
    Path("n").write_text("2")
    assert haconiwa("create", file).returncode == 0
    assert haconiwa("run", "--rm", file).stdout == "1"
    assert haconiwa("create", "--force", file).returncode == 0
    assert haconiwa("run", "--rm", file).stdout == "2"


def test_what_a_container_runs_on_stays() -> None:
    """Its definition means other layers by now."""
    file = define("exec busybox sleep 600")
    Path(file).write_text(
        Path(file).read_text().replace('mkdir "$1/bin"', 'cp n "$1/n"; touch "$1/go"; mkdir "$1/bin"')
    )
    Path("n").write_text("1")
    assert haconiwa("create", file).returncode == 0
    assert haconiwa("run", "-d", "--name", "box", file).returncode == 0
    Path("n").write_text("2")
    assert haconiwa("create", "--force", file).returncode == 0
    (before, after) = sorted(Path("HACONIWA_ROOTS").glob("layers/*/*"), key=lambda path: (path / "n").read_text())
    assert haconiwa("roots", "prune").stdout == "removed 0, 0 B\n"
    assert haconiwa("exec", "box", "busybox", "cat", "/n").stdout == "1"
    assert haconiwa("rm", "--force", "box").returncode == 0
    assert haconiwa("roots", "prune").stdout.startswith("removed 1, ")
    assert (before.exists(), after.exists()) == (False, True)


def test_the_matrix_tells_of_it() -> None:
    file = define("exec busybox sleep 600")
    assert haconiwa("create", file).returncode == 0
    assert haconiwa("run", "-d", "--name", "box", file).returncode == 0
    try:
        rows = json.loads(haconiwa("inspect", "--isolation", "--format", "json", "box").stdout)
    finally:
        haconiwa("rm", "--force", "box")
    text = json.dumps(rows)
    assert '"overlay"' in text
    mine = [row for row in rows if row.get("section") == "rootfs"] if isinstance(rows, list) else rows
    assert mine
    assert os.path.exists("HACONIWA_ROOTS")
