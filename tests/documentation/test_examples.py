"""Every example does what its first lines say."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import needs_program, needs_root

TREE = Path(__file__).resolve().parents[2]
EXAMPLES = TREE / "examples"
HACONIWA = [sys.executable, "-m", "haconiwa_core"]

SERVERS = [
    pytest.param("web.py", ("mnt", "pid", "uts", "ipc", "net", "cgroup", "time"), id="web.py"),
    pytest.param("web.toml", ("mnt", "pid", "uts", "ipc", "net"), id="web.toml"),
    pytest.param(
        "nginx.py", ("mnt", "pid", "uts", "ipc", "net", "cgroup", "time"), id="nginx.py", marks=needs_program("nginx")
    ),
]
OTHERS = {"host_files.py", "several.py", "shell.py", "rootless.toml"}
WITH_HOOKS = {
    *("cpu_burst.py", "draining.py", "memory_on_demand.py", "notify_failure.py", "scale.py", "services.py"),
}
"""Those of test_hook_examples."""

REQUEST = """
import urllib.request
with urllib.request.urlopen("http://127.0.0.1:8080/") as answer:
    print(answer.read().decode())
"""

NOBODY = 65534
SYSTEM_PYTHON = "/usr/bin/python3"
PYTHON_AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", SYSTEM_PYTHON]


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """A copy: a start makes mount points in the folder `root`, and others may not write the checkout."""
    return shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))


def haconiwa(*arguments: str, **more) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HACONIWA, *arguments], capture_output=True, text=True, check=False, **more)


@contextmanager
def serving(definition: Path, name: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a server until its port answers; yield its supervisor and its pid on the host."""
    with subprocess.Popen([*HACONIWA, "run", "--rm", "--name", name, str(definition)]) as supervisor:
        try:
            pid = wait_until_it_answers(supervisor, name)
            yield supervisor, pid
        finally:
            supervisor.send_signal(signal.SIGINT)


def wait_until_it_answers(supervisor: subprocess.Popen[bytes], name: str) -> int:
    for _ in range(1000):
        if supervisor.poll() is not None:
            raise AssertionError(f"haconiwa has ended with status {supervisor.returncode}")
        # A name is claimed before its record is written.
        child = next((record.child for record in Store().records() if record.name == name), None)
        if child and get(child.pid).returncode == 0:
            return child.pid
        time.sleep(0.05)
    raise AssertionError("the server runs and does not answer")


def get(pid: int) -> subprocess.CompletedProcess[str]:
    """Request the page from within the network of a process."""
    command = ["nsenter", "--target", str(pid), "--net", sys.executable, "-c", REQUEST]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def namespace(pid: int, kind: str) -> str:
    return os.readlink(f"/proc/{pid}/ns/{kind}")


def test_every_example_is_tested() -> None:
    tested = {parameter.values[0] for parameter in SERVERS} | OTHERS | WITH_HOOKS
    assert {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".toml")} == tested


def test_examples_satisfy_a_strict_type_checker(examples: Path) -> None:
    """An editor that marks the first thing a newcomer copies helps nobody."""
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull]
    patterns = ("*.py", "fastcontainer/*.py", "fastcontainer/tenants/*.py")
    files = [str(path) for pattern in patterns for path in examples.glob(pattern)]
    # The packages are found as the checkout has them: an editable install is nothing that mypy can follow.
    own = [".", "fastcontainer", "fastcontainer/tenants", str(TREE), str(TREE / "docs")]
    path = os.pathsep.join([*own, *map(str, [*TREE.glob("plugins/*"), *TREE.glob("contrib/*")])])
    done = subprocess.run(
        [*command, *files], cwd=examples, env={"MYPYPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_root
@needs_program("nsenter")
@pytest.mark.parametrize(("file", "kinds"), SERVERS)
def test_servers_answer_in_their_own_world_and_end_on_request(
    file: str, kinds: tuple[str, ...], examples: Path
) -> None:
    name = f"example-{file}-{os.getpid()}"
    with serving(examples / file, name) as (supervisor, pid):
        assert "Hello from inside." in get(pid).stdout
        own = {kind for kind in os.listdir("/proc/self/ns") if not kind.endswith("_for_children")}
        assert {kind for kind in own if namespace(pid, kind) != namespace(os.getpid(), kind)} == set(kinds)
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait() == 0
    assert name not in Store().names()
    assert not os.path.exists(f"/proc/{pid}")


@needs_root
def test_shell_is_read_only_but_for_tmp(examples: Path) -> None:
    script = "uname -n; echo $$; echo >/tmp/new && ls /tmp /run; touch /etc/new"
    done = haconiwa("run", "--rm", str(examples / "shell.py"), "--", "sh", "-c", script)
    assert done.stdout.split() == ["shell", "1", "/run:", "/tmp:", "new"]
    assert "Read-only file system" in done.stderr
    assert done.returncode == 1


@needs_root
def test_several_share_settings_by_copies(examples: Path) -> None:
    done = haconiwa("run", "--rm", str(examples / "several.py"))
    assert sorted(done.stdout.splitlines()) == [
        "plain | plain may open 1024 files",
        "strict | strict may open 64 files",
    ]
    assert (done.returncode, done.stderr) == (0, "")


@needs_root
def test_rootless_as_root(examples: Path) -> None:
    check_rootless(haconiwa("run", "--rm", str(examples / "rootless.toml")))


@needs_root
@needs_program("setpriv")
def test_rootless_as_an_ordinary_user() -> None:
    path = readable_path()
    runtime = Path("/run") / f"example-{os.getpid()}"
    runtime.mkdir(mode=0o700)
    os.chown(runtime, NOBODY, NOBODY)
    try:
        done = subprocess.run(
            [*PYTHON_AS_NOBODY, "-m", "haconiwa_core", "run", "--rm", str(EXAMPLES / "rootless.toml")],
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": path, "XDG_RUNTIME_DIR": str(runtime), "HOME": "/"},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(runtime)
    check_rootless(done)


def check_rootless(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
    identity, host_name, processes = done.stdout.splitlines()
    assert identity.startswith("uid=0(root) gid=0(root)")
    assert host_name == "rootless"
    # The shell, ls and grep.
    assert int(processes) <= 3


def readable_path() -> str:
    """Return a PYTHONPATH with which an ordinary user's Python finds what this one has; skip if it may not."""
    code = "import haconiwa_core, json, pluggy, sys; json.dump(sys.version_info[:2], sys.stdout)"
    folders = [folder for folder in sys.path if folder.endswith("site-packages")]
    path = os.pathsep.join([*folders, str(TREE), *map(str, [*TREE.glob("plugins/*"), *TREE.glob("contrib/*")])])
    done = subprocess.run(
        [*PYTHON_AS_NOBODY, "-c", code],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"{SYSTEM_PYTHON} of an ordinary user cannot import haconiwa_core: {done.stderr.strip()}")
    if json.loads(done.stdout) < [3, 11]:
        pytest.skip(f"{SYSTEM_PYTHON} is older than 3.11")
    return path
