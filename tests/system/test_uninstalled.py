"""Distributions installed from wheels into an environment of their own, and one taken away again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from haconiwa_core.testing import needs_program

TREE = Path(__file__).parents[2]
DISTRIBUTIONS = (".", "plugins/haconiwa-rlimit", "plugins/haconiwa-ns-pid", "plugins/haconiwa-ns-uts")
WITH = ["--with", "ns-pid", "--with", "ns-uts", "--set", "rlimit.nofile=64"]


def uv(*arguments):
    subprocess.run([sys.executable, "-m", "uv", "--quiet", *map(str, arguments)], check=True, cwd=TREE)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    for distribution in DISTRIBUTIONS:
        uv("build", "--wheel", "--out-dir", folder, distribution)
    return sorted(folder.glob("*.whl"))


@pytest.fixture
def environment(wheels, tmp_path):
    """Return the folder of programs of a fresh environment with the distributions."""
    uv("venv", "--python", sys.executable, tmp_path / "env")
    uv("pip", "install", "--python", tmp_path / "env", *wheels)
    return tmp_path / "env/bin"


def uninstall(environment, distribution):
    uv("pip", "uninstall", "--python", environment.parent, distribution)


def run(environment, *options, trace=None):
    strace = ["strace", "-f", "-o", trace, "-e", "trace=prlimit64,sethostname"] if trace else []
    command = [*strace, environment / "haconiwa", "run", "--rm", *options, "--", "/bin/true"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@needs_program("strace")
def test_what_is_uninstalled_is_not_called(environment, tmp_path):
    trace = tmp_path / "trace"
    assert run(environment, *WITH, trace=trace).returncode == 0
    assert "RLIMIT_NOFILE, {rlim_cur=64" in trace.read_text()
    uninstall(environment, "haconiwa-rlimit")
    refused = run(environment, *WITH)
    assert refused.returncode == 2
    assert "rlimit: no installed plugin provides this feature; pip install haconiwa-rlimit" in refused.stderr
    assert run(environment, *WITH[:4], trace=trace).returncode == 0
    assert "sethostname" in trace.read_text()
    assert "RLIMIT_NOFILE, {rlim_cur" not in trace.read_text()


def test_a_container_is_cleaned_up_without_its_plugins(environment, leaves_nothing):
    haconiwa = environment / "haconiwa"
    command = [haconiwa, "run", "--name", "left", *WITH, "--", "sleep", "1000"]
    supervisor = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    record = Path("/run/haconiwa/left/record.json")
    while not record.exists() or '"running"' not in record.read_text():
        assert supervisor.poll() is None
        time.sleep(0.01)
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    for distribution in ("haconiwa-rlimit", "haconiwa-ns-pid", "haconiwa-ns-uts"):
        uninstall(environment, distribution)
    collected = subprocess.run([haconiwa, "gc"], capture_output=True, text=True, check=False, timeout=60)
    assert (collected.returncode, collected.stderr) == (0, "")
    assert os.listdir("/run/haconiwa") == []
