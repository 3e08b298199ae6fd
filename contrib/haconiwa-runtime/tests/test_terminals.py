"""A terminal, with nothing but the core and this distribution installed."""

import os
import subprocess

import pytest

from haconiwa_core.testing import haconiwa_command, needs_root


@pytest.fixture
def slave():
    """The end of a terminal at which a command is run."""
    master, slave = os.openpty()
    yield slave
    os.close(slave)
    os.close(master)


@needs_root
def test_a_command_sits_at_one_of_its_own(slave, tmp_path):
    script = 'test -t 0 && test "$(tty)" != "$CALLER" && exit 7'
    environment = {**os.environ, "HACONIWA_STATE": str(tmp_path)}
    command = [*haconiwa_command(), "run", "-it", "--rm", "-e", f"CALLER={os.ttyname(slave)}", "--", "sh", "-c", script]
    done = subprocess.run(command, stdin=slave, stdout=slave, stderr=slave, env=environment, check=False, timeout=60)
    assert done.returncode == 7
    assert list(tmp_path.iterdir()) == []
