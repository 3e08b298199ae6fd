"""Against a real bus: what a service manager is asked, and what is made of its answers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from haconiwa_scope import ScopeError, enter

from haconiwa_core.testing import needs_program

MANAGER = Path(__file__).with_name("manager.py")

CONFIGURATION = """
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={folder}/bus</listen>
  <policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"""


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A bus of the test's own, where a user's is looked for."""
    if shutil.which("dbus-daemon") is None:
        pytest.skip("dbus-daemon is not installed (Debian: dbus-daemon)")
    (tmp_path / "bus.conf").write_text(CONFIGURATION.format(folder=tmp_path))
    line = ["dbus-daemon", f"--config-file={tmp_path}/bus.conf", "--nofork", "--print-address"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline().startswith("unix:path=")
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
        yield tmp_path
        daemon.kill()


def manager(folder: Path, answer: str) -> subprocess.Popen[str]:
    """Start a service that speaks as a manager does; it prints what it was asked."""
    line = [sys.executable, str(MANAGER), f"unix:path={folder}/bus", answer]
    started = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("refuse", "the service manager refuses StartTransientUnit: Unit mine.scope was already loaded"),
        ("failed", "mine.scope: the service manager says: failed; see `systemctl status mine.scope`"),
        ("silent", "mine.scope: no answer within 0.5 s"),
        ("done", "mine.scope was made, but this process is not in it: "),
    ],
)
def test_an_answer_that_is_no_scope(bus: Path, answer: str, message: str) -> None:
    with manager(bus, answer) as service:
        with pytest.raises(ScopeError) as caught:
            enter("mine", manager="user", timeout=0.5 if answer == "silent" else 30)
        service.send_signal(signal.SIGTERM)
        assert service.stdout is not None
        asked = service.stdout.read()
    assert str(caught.value).startswith(message)
    assert f"mine.scope fail PIDs=[{os.getpid()}] Delegate=True" in asked


@needs_program("dbus-daemon")
def test_a_bus_without_a_manager(bus: Path) -> None:
    with pytest.raises(ScopeError, match=r"the service manager refuses Subscribe: .*systemd1"):
        enter(manager="user")


def test_no_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    with pytest.raises(ScopeError, match=r"the user's service manager cannot be reached over D-Bus: .*enable-linger"):
        enter(manager="user")


def test_no_runtime_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    with pytest.raises(ScopeError, match="XDG_RUNTIME_DIR"):
        enter(manager="user")
