"""Checks that every resident launcher runs: what it starts, what it keeps, what it refuses."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from haconiwa_core.errors import SetupError
from haconiwa_core.facts import Namespace
from haconiwa_core.host import gather
from haconiwa_core.launch.choice import choose_launcher
from haconiwa_core.launch.encoding import encode
from haconiwa_core.launch.interpreter import linux_kernel
from haconiwa_core.launch.processes import RECORD
from haconiwa_core.launch.resident import ResidentLauncher, sealed
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import CLONE_NEWPID, CLONE_NEWUTS
from haconiwa_core.planning.plan import Plan
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.start import start
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing.forks import forked
from haconiwa_core.testing.needs import needs_root
from haconiwa_core.testing.plans import plan_of

_OWN = (Namespace("pid", CLONE_NEWPID), Namespace("uts", CLONE_NEWUTS))
_STREAMS = ("stdin", "stdout", "stderr")
_STARTS = 1000
_SETTLED = 50
_PR_CAPBSET_DROP = 24
_CAP_SYS_PTRACE = 19

VALID = encode(plan_of().program)
_NONE = b"\0" * 4
_MANY = b"\xff" * 4
MALFORMED = {
    "empty": b"",
    "short": VALID[:20],
    "cut": VALID[:-1],
    "longer": VALID + b"\0",
    "another magic": b"\0" + VALID[1:],
    "no process": VALID[:4] + _NONE + VALID[8:],
    "many processes": VALID[:4] + _MANY + VALID[8:],
    "many instructions": VALID[:8] + _MANY + VALID[12:],
    "many effects": VALID[:12] + _MANY + VALID[16:],
    "no slots": VALID[:20] + _NONE + VALID[24:],
    "noise": random.Random(1).randbytes(4096),  # noqa: S311  # the same in every run
}
"""What is no program, by what is wrong with it."""


class ResidentConformance:
    """What a resident launcher promises.

    Attributes:
        launcher_class: the launcher.
        ignored: signals that its own program ignores.
    """

    launcher_class: ClassVar[type[ResidentLauncher]]
    ignored: ClassVar[frozenset[signal.Signals]] = frozenset()

    @pytest.fixture
    def launcher(self) -> Iterator[ResidentLauncher]:
        """A launcher that has started nothing yet."""
        with closing(self.launcher_class()) as launcher:
            yield launcher

    def test_it_is_chosen_by_its_name(self) -> None:
        """And is the class that is tested."""
        with closing(choose_launcher(self.launcher_class.name)) as launcher:
            assert type(launcher) is self.launcher_class

    @needs_root
    @pytest.mark.parametrize(("command", "status"), [("exit 0", 0), ("exit 42", 42), ("kill -9 $$; exit 7", 7)])
    def test_exit_status(self, launcher: ResidentLauncher, tmp_path: Path, command: str, status: int) -> None:
        """It is the command's own; the first process of a pid namespace is deaf to its own signals."""
        assert _status(_started(launcher, tmp_path, _planned("sh", "-c", command))) == status

    @needs_root
    def test_the_container_is_a_child_of_this_process_alone(self, launcher: ResidentLauncher, tmp_path: Path) -> None:
        """Nothing of the launcher is left in it."""
        running = _started(launcher, tmp_path, _planned("sleep", "1000"))
        status = Path(f"/proc/{running.pid}/status").read_text()
        assert f"PPid:\t{os.getpid()}\n" in status
        assert f"NSpid:\t{running.pid}\t1\n" in status
        assert at_rest(running.pid) == ["0", "1", "2"]
        _killed(running)

    @needs_root
    def test_a_failure_names_its_step(self, launcher: ResidentLauncher, tmp_path: Path) -> None:
        """What the launcher tells is a number; the plan knows whose it is."""
        with pytest.raises(SetupError, match="execute '/no/such/program': ENOENT") as caught:
            _started(launcher, tmp_path, _planned("/no/such/program"))
        assert (caught.value.plugin, caught.value.stage, caught.value.exit_status) == ("core", "EXEC", 127)
        with pytest.raises(SetupError) as caught:
            _started(launcher, tmp_path, _planned("true", workdir="/no/such/folder"))
        attempted = "change_directory('/no/such/folder') [chdir]"
        assert (caught.value.stage, caught.value.attempted) == ("CREDENTIALS", attempted)

    @needs_root
    def test_many_starts_leave_it_as_it_was(self, launcher: ResidentLauncher, tmp_path: Path) -> None:
        """Its memory and its descriptors do not grow, and neither do those of this process."""
        plan = _planned("true")
        before = None
        for number in range(_STARTS):
            _started(launcher, tmp_path, plan).finish(remove=True)
            if number == _SETTLED:
                before = (launcher._pid, at_rest(launcher._pid), _anonymous(launcher._pid), os.listdir("/proc/self/fd"))
        assert before == (
            launcher._pid,
            at_rest(launcher._pid),
            _anonymous(launcher._pid),
            os.listdir("/proc/self/fd"),
        )

    @needs_root
    def test_it_forgets_old_programs(self, launcher: ResidentLauncher, tmp_path: Path) -> None:
        """More programs than it remembers run as well as the first, and again, and are let go of."""
        plans = [_planned("sh", "-c", f"exit {number}") for number in range(40)]
        for _ in range(2):
            for number, plan in enumerate(plans):
                assert _status(_started(launcher, tmp_path, plan)) == number
        kept = [name for name in _own_descriptors() if "haconiwa-program" in name]
        assert 0 < len(kept) < len(plans)
        launcher.close()
        assert not [name for name in _own_descriptors() if "haconiwa-program" in name]

    @needs_root
    def test_containers_outlive_it_and_it_is_made_anew(self, launcher: ResidentLauncher, tmp_path: Path) -> None:
        """No container depends on it once its command runs."""
        plan = _planned("sleep", "1000")
        first = _started(launcher, tmp_path, plan)
        former = launcher._pid
        os.kill(former, signal.SIGKILL)
        os.waitid(os.P_PID, former, os.WEXITED | os.WNOWAIT)
        second = _started(launcher, tmp_path, plan)
        assert launcher._pid != former
        launcher.close()
        for running in (first, second):
            assert Path(f"/proc/{running.pid}").exists()
            _killed(running)

    @needs_root
    def test_it_ends_with_its_supervisor(self, launcher: ResidentLauncher, tmp_path: Path) -> None:
        """A supervisor that is killed leaves no launcher behind."""
        reader, writer = os.pipe()

        def supervise() -> None:
            _status(_started(launcher, tmp_path, _planned("true")))
            os.write(writer, str(launcher._pid).encode())
            os.kill(os.getpid(), signal.SIGKILL)

        forked(supervise)
        pid = int(os.read(reader, 20))
        os.close(reader)
        os.close(writer)
        _until(lambda: not Path(f"/proc/{pid}").exists() or "State:\tZ" in Path(f"/proc/{pid}/status").read_text())

    @needs_root
    def test_a_forked_process_has_a_launcher_of_its_own(self, launcher: ResidentLauncher, tmp_path: Path) -> None:
        """The containers of a copy of this process are the copy's children."""
        plan = _planned("sh", "-c", "exit 5")
        assert _status(_started(launcher, tmp_path, plan)) == 5
        former = launcher._pid

        def copy() -> None:
            status = _status(_started(launcher, tmp_path, plan)) or 0
            launcher.close()
            os._exit(status)

        assert forked(copy) == 5
        assert _status(_started(launcher, tmp_path, plan)) == 5
        assert launcher._pid == former

    @needs_root
    def test_nothing_of_its_supervisor_leaks_into_it(self, launcher: ResidentLauncher, tmp_path: Path) -> None:
        """Whatever a supervisor has open, set, blocked or ignored stays with it."""
        report = tmp_path / "report"

        def supervise() -> None:
            os.dup2(os.open("/", os.O_RDONLY), 20, inheritable=True)
            os.chdir(tmp_path)
            os.umask(0)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            os.environ["SECRET"] = "bait"  # noqa: S105
            _status(_started(launcher, tmp_path, _planned("true")))
            pid = launcher._pid
            status = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            process = Path(f"/proc/{pid}")
            seen = {
                "descriptors": at_rest(pid),
                "streams": [os.readlink(process / "fd" / number) for number in "12"],
                "environment": (process / "environ").read_text(),
                "directory": os.readlink(process / "cwd"),
                "umask": status["Umask"],
                "blocked": int(status["SigBlk"], 16),
                "ignored": [n for n in signal.valid_signals() if int(status["SigIgn"], 16) >> n - 1 & 1],
                "group": os.getpgid(pid) == pid,
            }
            report.write_text(json.dumps(seen))
            os._exit(0)

        assert forked(supervise) == 0
        assert json.loads(report.read_text()) == {
            "descriptors": ["0", "1", "2"],
            "streams": [os.devnull, os.devnull],
            "environment": "",
            "directory": "/",
            "umask": "0022",
            "blocked": 0,
            "ignored": sorted(self.ignored),
            "group": True,
        }

    @needs_root
    def test_nobody_can_look_into_it(self, launcher: ResidentLauncher, tmp_path: Path) -> None:
        """Not even root with all that it can do itself: that takes CAP_SYS_PTRACE."""

        def look() -> None:
            # Whatever is executed from here on lacks the capability; the launcher and who looks are equals.
            assert linux_kernel()(Call.prctl, _PR_CAPBSET_DROP, _CAP_SYS_PTRACE, 0, 0, 0, 0) == 0
            _status(_started(launcher, tmp_path, _planned("true")))
            at_rest(launcher._pid)
            with subprocess.Popen(["sleep", "1000"]) as other:
                seen = [
                    subprocess.run(["readlink", f"/proc/{pid}/exe"], stdout=subprocess.DEVNULL, check=False).returncode
                    for pid in (other.pid, launcher._pid)
                ]
                other.kill()
            os._exit(0 if seen == [0, 1] else 1)

        assert forked(look) == 0

    @pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
    def test_a_malformed_program_is_refused(self, launcher: ResidentLauncher, content: bytes) -> None:
        """Before anything of it runs."""
        assert _answer(launcher, content) == (0, errno.EPROTO)

    @pytest.mark.parametrize("places", [(-1, 5, 3), (4, 2**31 - 1, 3), (4, 5, -7), (4, 5, 10000)])
    def test_slots_that_the_program_does_not_have(self, launcher: ResidentLauncher, places: tuple[int, ...]) -> None:
        """They are refused as the program would be."""
        assert _answer(launcher, VALID, places) == (0, errno.EPROTO)

    @pytest.mark.parametrize("places", [(4,), (4, 5), (4, 5, 3, 0)])
    def test_a_message_that_is_no_request_is_left_unanswered(
        self, launcher: ResidentLauncher, places: tuple[int, ...]
    ) -> None:
        """The channel closes, and the next request is served."""
        assert _answer(launcher, VALID, places) is None
        assert _answer(launcher, b"") == (0, errno.EPROTO)

    def test_it_survives_whatever_it_refuses(self, launcher: ResidentLauncher) -> None:
        """The same process, with nothing left open."""
        for content in MALFORMED.values():
            _answer(launcher, content)
        pid = launcher._pid
        for content in MALFORMED.values():
            _answer(launcher, content)
        assert launcher._pid == pid
        assert at_rest(pid) == ["0", "1", "2"]


def at_rest(pid: int) -> list[str]:
    """Return the descriptors of a launcher that waits for its next request.

    It answers before it closes what came with a request.
    """
    _until(lambda: "State:\tS" in Path(f"/proc/{pid}/status").read_text())
    return sorted(os.listdir(f"/proc/{pid}/fd"))


def _planned(*command: str, **fields: Any) -> Plan:
    return plan_of(**{"command": command, "host": gather(), "facts": _OWN, **fields})


def _started(launcher: ResidentLauncher, folder: Path, plan: Plan) -> Running:
    null = os.open(os.devnull, os.O_RDWR)
    try:
        streams = dict.fromkeys(_STREAMS, null)
        return start(plan, Store(folder).claim_unique("c"), streams, launcher=launcher)
    finally:
        os.close(null)


def _status(running: Running) -> int | None:
    """Return a container's exit status when it has ended, and forget it."""
    return running.finish(remove=True).exit_status


def _killed(running: Running) -> None:
    running.send_signal(signal.SIGKILL)
    assert _status(running) == 128 + signal.SIGKILL


def _answer(launcher: ResidentLauncher, content: bytes, places: tuple[int, ...] = (4, 5, 3)) -> tuple[int, ...] | None:
    """Send a request with a program of these bytes; return what the launcher says about it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    file = sealed("program", content)
    request = struct.pack(f"{len(places)}i", *places)
    with ours:
        launcher._send(request, struct.pack("2i", file, theirs.fileno()))
        os.close(file)
        theirs.close()
        message = ours.recv(64)
    return RECORD.unpack(message) if message else None


def _anonymous(pid: int) -> int:
    """Return the memory of a process that is nobody else's, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def _own_descriptors() -> list[str]:
    """Return what the descriptors of this process are."""
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return [os.readlink(link) for link in links if os.path.lexists(link)]


def _until(holds: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.001)
