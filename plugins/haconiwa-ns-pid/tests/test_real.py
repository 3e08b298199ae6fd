import errno
import os
from pathlib import Path

import pytest
from haconiwa_ns_pid import PidNamespace

from haconiwa_core.errors import SetupError
from haconiwa_core.testing import needs_root, run, started

pytestmark = needs_root


def test_the_command_is_process_1() -> None:
    assert run(PidNamespace(), command=["sh", "-c", "echo $$"]).stdout == "1\n"


def test_the_host_cannot_be_signalled() -> None:
    outcome = run(PidNamespace(), command=["sh", "-c", f"kill -0 {os.getpid()}"])
    assert outcome.exit_status != 0


def test_all_end_with_process_1(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        # The orphan holds the pipe open for as long as it lives.
        run(PidNamespace(), command=["sh", "-c", "sleep 600 & echo ended"], stdout=f"host:{fifo}")
        assert os.read(reader, 100) == b"ended\n"
        assert os.read(reader, 100) == b""
    finally:
        os.close(reader)


def test_joined_beside_the_others() -> None:
    with started(PidNamespace()) as first:
        outcome = run(PidNamespace(join=first.pid), command=["sh", "-c", "kill -0 1 && echo $$"])
        assert outcome.exit_status == 0
        assert int(outcome.stdout) > 1


def test_a_namespace_that_has_ended_cannot_be_joined() -> None:
    with started(PidNamespace()) as first:
        pid = first.pid
    with pytest.raises(SetupError) as caught:
        run(PidNamespace(join=pid), command=["true"])
    assert (caught.value.plugin, caught.value.errno) == ("ns-pid", errno.ENOENT)
