"""Filters on the running kernel."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from haconiwa_seccomp import Action, Arg, Rule, Seccomp
from haconiwa_seccomp.libseccomp import number_of

from haconiwa_core.errors import SetupError
from haconiwa_core.facts import CapabilitySets, Namespace, NoNewPrivileges
from haconiwa_core.feature import Feature
from haconiwa_core.launch.choice import choose_launcher
from haconiwa_core.linux.constants import CLONE_NEWNS, CLONE_NEWPID
from haconiwa_core.testing import Outcome, needs_program, needs_root, run, run_attached, started

pytestmark = needs_root

PYTHON = [sys.executable, "-I", "-S", "-c"]
CALL = """
import ctypes, errno
library = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = library.syscall(*map(ctypes.c_ulong, (number, *arguments)))
    return errno.errorcode[ctypes.get_errno()] if result == -1 else str(result)
"""
DOCKERS = 0xA80425FB
SETS = (CapabilitySets(DOCKERS, DOCKERS),)
"""As if the container had Docker's capabilities: what it really has shows what the filter alone denies."""

KILLED = 128 + signal.SIGSYS
HIGH = 1 << 32


def python(program: str, *features: Feature, how: str = "start", **fields: object) -> Outcome:
    """Run a program of Python in a container, with `call` for system calls by their numbers."""
    command = [*PYTHON, CALL + program]
    if how == "start":
        return run(*features, command=command, **fields)
    with started(*features, command=["sleep", "600"], **fields) as running:
        return run_attached(running, *features, command=command, **fields)


def results(calls: Sequence[tuple[str, Sequence[int]]], *features: Feature, **fields: object) -> list[str]:
    """Return what each call gives: its result, or the name of its error."""
    lines = "\n".join(f"print(call({number_of(name)}, {', '.join(map(str, args))}))" for name, args in calls)
    outcome = python(lines, *features, **fields)
    assert outcome.exit_status == 0, outcome.stderr
    return outcome.stdout.split()


@pytest.mark.parametrize("how", ["start", "attach"])
def test_the_filter_is_in_force(how: str) -> None:
    outcome = python("print(open('/proc/self/status').read())", Seccomp(), how=how)
    assert "Seccomp:\t2\nSeccomp_filters:\t1\n" in outcome.stdout
    outcome = python("print(open('/proc/self/status').read())", how=how)
    assert "Seccomp:\t0\n" in outcome.stdout


@pytest.mark.parametrize("how", ["start", "attach"])
@pytest.mark.parametrize(
    ("action", "status", "output"),
    [
        ("allow", 0, "0"),
        ("log", 0, "0"),
        ("errno", 0, "EBADMSG"),
        ("trace", 0, "ENOSYS"),
        ("trap", KILLED, ""),
        ("kill_thread", KILLED, ""),
        ("kill_process", KILLED, ""),
    ],
)
def test_each_action(action: Action, status: int, output: str, how: str) -> None:
    rule = Rule(["alarm"], action, "EBADMSG" if action == "errno" else None)
    program = f"print(call({number_of('alarm')}, 0))"
    outcome = python(program, Seccomp(rules=[rule]), how=how)
    assert (outcome.exit_status, outcome.stdout.strip()) == (status, output)


def test_a_killed_thread_leaves_the_others() -> None:
    program = f"""
import threading, time, os
thread = threading.Thread(target=call, args=({number_of("alarm")}, 0), daemon=True)
thread.start()
while len(os.listdir("/proc/self/task")) > 1:
    time.sleep(0.001)
os.write(1, b"alive")
os._exit(7)
"""
    outcome = python(program, Seccomp(rules=[Rule(["alarm"], "kill_thread")]))
    assert (outcome.exit_status, outcome.stdout) == (7, "alive")
    assert python(program, Seccomp(rules=[Rule(["alarm"], "kill_process")])).exit_status == KILLED


@pytest.mark.parametrize(
    ("arg", "denied", "allowed"),
    [
        (Arg(1, "==", 7), [7], [6, 8, 7 + HIGH]),
        (Arg(1, "==", 7, mask=0xFFFFFFFF), [7, 7 + HIGH], [6, 8]),
        (Arg(1, "==", 4, mask=6), [4, 5, 12], [0, 2, 6]),
        (Arg(1, "!=", 7), [6, 8, 7 + HIGH], [7]),
        (Arg(1, "<", 7), [0, 6], [7, 8, HIGH]),
        (Arg(1, "<=", 7), [0, 7], [8, HIGH]),
        (Arg(1, ">", 7), [8, HIGH], [0, 7]),
        (Arg(1, ">=", 7), [7, 8, HIGH], [0, 6]),
        (Arg(1, ">", HIGH), [HIGH + 1, 2 * HIGH], [7, HIGH]),
        (Arg(5, "==", 9), [], [9]),
    ],
    ids=repr,
)
def test_each_operator(arg: Arg, denied: list[int], allowed: list[int]) -> None:
    calls = [("dup2", (999, value)) for value in (*denied, *allowed)]
    found = results(calls, Seccomp(rules=[Rule(["dup2"], "errno", "EBADMSG", args=[arg])]))
    # Descriptor 999 is not open.
    assert found == ["EBADMSG"] * len(denied) + ["EBADF"] * len(allowed)


BAD = 0xFFFFFFFF
DENIED = {
    "add_key": (0, 0, 0, 0, 0),
    "bpf": (BAD, 0, 0),
    "clock_settime": (BAD, 0),
    "fsopen": (0, BAD),
    "io_uring_enter": (BAD, 0, 0, 0, 0, 0),
    "io_uring_register": (BAD, 0, 0, 0),
    "io_uring_setup": (0, 0),
    "kcmp": (BAD, BAD, 0, 0, 0),
    "kexec_load": (0, 0, 0, BAD),
    "keyctl": (BAD, 0, 0, 0, 0),
    "lsm_list_modules": (0, 0, BAD),
    "mbind": (0, 0, BAD, 0, 0, BAD),
    "migrate_pages": (BAD, 0, 0, 0),
    "mount": (0, 0, 0, 0, 0),
    "mount_setattr": (BAD, 0, BAD, 0, 0),
    "move_mount": (BAD, 0, BAD, 0, BAD),
    "move_pages": (BAD, 0, 0, 0, 0, BAD),
    "name_to_handle_at": (BAD, 0, 0, 0, 0),
    "open_by_handle_at": (BAD, 0, 0),
    "open_tree": (BAD, 0, BAD),
    "perf_event_open": (0, 0, 0, 0, 0),
    "pidfd_getfd": (BAD, 0, 0),
    "pivot_root": (0, 0),
    "process_vm_readv": (BAD, 0, 0, 0, 0, BAD),
    "quotactl": (BAD, 0, 0, 0),
    "reboot": (0, 0, 0, 0),
    "request_key": (0, 0, 0, 0),
    "setdomainname": (0, BAD),
    "sethostname": (0, BAD),
    "setns": (BAD, 0),
    "settimeofday": (1, 0),
    "swapon": (0, 0),
    "syslog": (BAD, 0, 0),
    "umount2": (0, BAD),
    "unshare": (1,),
    "userfaultfd": (BAD,),
    "vmsplice": (BAD, 0, 0, 0),
}
"""Calls that do no harm where nobody denies them, and then fail in another way than by EPERM."""

PRESENT = {name: args for name, args in DENIED.items() if (number_of(name) or -1) >= 0}


@pytest.mark.parametrize("facts", [SETS, (*SETS, NoNewPrivileges("test"))], ids=["early", "late"])
def test_what_the_default_profile_denies(facts: tuple) -> None:
    denied = results([*PRESENT.items()], Seccomp(), facts=facts)
    assert dict(zip(PRESENT, denied, strict=True)) == dict.fromkeys(PRESENT, "EPERM")


@pytest.mark.parametrize("features", [(), (Seccomp(log=True),)], ids=["without", "log"])
def test_otherwise_nothing_of_it_is_denied(features: tuple) -> None:
    found = dict(zip(PRESENT, results([*PRESENT.items()], *features, facts=SETS), strict=True))
    assert [name for name, result in found.items() if result == "EPERM"] == []


def test_attacks_that_work_without_it() -> None:
    """Not only refused for their arguments: what would do something does it without the filter."""
    command = ["sh", "-c", "mount -t tmpfs none /mnt && echo mounted; unshare --user true && echo unshared; true"]
    facts = (*SETS, Namespace("mnt", CLONE_NEWNS))
    assert run(command=command, facts=facts).stdout.split() == ["mounted", "unshared"]
    assert run(Seccomp(), command=command, facts=facts).stdout == ""
    # What the capability permits is open to it, and the kernel decides.
    assert run(Seccomp(), command=command, facts=facts[1:]).stdout.split() == ["mounted", "unshared"]


def test_open_by_handle_at_leads_nowhere() -> None:
    program = f"""
import os
handle = ctypes.create_string_buffer((128).to_bytes(4, "little") + bytes(140))
mount_id = ctypes.c_int()
folder = os.open("/", os.O_RDONLY)
found = library.name_to_handle_at(-100, b"/", handle, ctypes.byref(mount_id), 0)
print(found, call({number_of("open_by_handle_at")}, folder, ctypes.addressof(handle), os.O_RDONLY))
"""
    free = python(program, facts=SETS)
    if not free.stdout.startswith("0 ") or not free.stdout.split()[1].isdigit():
        pytest.skip(f"the root's file system has no handles that can be opened: {free.stdout}")
    # With CAP_SYS_ADMIN a handle can be had, without CAP_DAC_READ_SEARCH it cannot be opened.
    assert python(program, Seccomp(), facts=(CapabilitySets(1 << 21, 1 << 21),)).stdout.split() == ["0", "EPERM"]


def test_new_namespaces_by_clone() -> None:
    # CLONE_THREAD with CLONE_NEWUSER is EINVAL, so that no process is made.
    calls = [("clone", (0x10000 | 0x10000000, 0, 0, 0, 0)), ("clone3", (0, 0))]
    assert results(calls, facts=SETS) == ["EINVAL", "EINVAL"]
    assert results(calls, Seccomp(), facts=SETS) == ["EPERM", "ENOSYS"]


@pytest.mark.parametrize("family", [38, 40, HIGH | 38, HIGH | 40, 44])
def test_families_of_sockets(family: int) -> None:
    calls = [("socket", (family, 5, 0)), ("socket", (1, 1, 0)), ("socket", (2, 1, 0)), ("socket", (16, 3, 0))]
    assert results(calls[:1], facts=SETS) != ["EPERM"]
    denied, *allowed = results(calls, Seccomp(), facts=SETS)
    assert denied == "EPERM"
    assert all(result.isdigit() for result in allowed)


def test_ordinary_programs_run() -> None:
    program = """
import json, os, socket, subprocess, tempfile, threading, time, mmap, select
thread = threading.Thread(target=time.sleep, args=(0,))
thread.start()
thread.join()
print(subprocess.run(["sh", "-c", "echo $((6 * 7)) | cat"], capture_output=True, text=True).stdout.strip())
with tempfile.TemporaryDirectory() as folder:
    with open(folder + "/x", "w") as file:
        file.write("x")
        os.fchmod(file.fileno(), 0o600)
    os.rename(folder + "/x", folder + "/y")
    print(os.access(folder + "/y", os.R_OK, effective_ids=True), os.listdir(folder))
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
client.sendall(b"hello")
print(server.accept()[0].recv(9))
"""
    facts = (*SETS, Namespace("pid", CLONE_NEWPID), NoNewPrivileges("test"))
    outcome = python(program, Seccomp(), facts=facts)
    assert outcome.stdout.splitlines() == ["42", "True ['y']", "b'hello'"], outcome.stderr
    assert outcome.exit_status == 0


def test_it_holds_for_children_and_after_exec() -> None:
    command = ["sh", "-c", "sh -c 'grep Seccomp: /proc/self/status; mount -t tmpfs none /mnt || echo denied'"]
    facts = (*SETS, Namespace("mnt", CLONE_NEWNS))
    assert run(Seccomp(), command=command, facts=facts).stdout.splitlines() == ["Seccomp:\t2", "denied"]


def test_it_cannot_be_taken_off() -> None:
    program = f"""
import struct
code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000))
description = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 1, ctypes.addressof(code)))
print(call({number_of("prctl")}, 22, 0, 0))
print(call({number_of("seccomp")}, 1, 0, ctypes.addressof(description)))
print(call({number_of("keyctl")}, 0, 0))
print(open("/proc/self/status").read())
"""
    lines = python(program, Seccomp(), facts=SETS).stdout.splitlines()
    # A second filter that allows everything takes nothing away.
    assert lines[:3] == ["EINVAL", "0", "EPERM"]
    assert "Seccomp_filters:\t2" in lines


I386 = """
int main(void) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
    return result > 0 ? 0 : 1;
}
"""
X32 = """
#include <errno.h>
#include <unistd.h>
#include <sys/syscall.h>
int main(void) {
    long result = syscall(0x40000000 | SYS_getpid);
    return result > 0 || errno == ENOSYS ? 0 : 1;
}
"""


@needs_program("gcc")
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="only x86_64 has other architectures")
@pytest.mark.parametrize("source", [I386, X32], ids=["i386", "x32"])
@pytest.mark.parametrize("how", ["start", "attach"])
def test_other_architectures_end_the_process(source: str, how: str, tmp_path: Path) -> None:
    (tmp_path / "probe.c").write_text(source)
    subprocess.run(["gcc", "-o", "probe", "probe.c"], cwd=tmp_path, check=True)
    command = [str(tmp_path / "probe")]
    assert run(command=command).exit_status == 0
    assert run(Seccomp(log=True), command=command).exit_status == 0
    open_for_all = Seccomp(profile="none", default="allow")
    for feature in (Seccomp(), open_for_all):
        if how == "start":
            assert run(feature, command=command).exit_status == KILLED
        else:
            with started(feature) as running:
                assert run_attached(running, feature, command=command).exit_status == KILLED


@pytest.mark.skipif(not os.path.exists("/proc/self/loginuid"), reason="the kernel has no audit")
@pytest.mark.skipif(os.path.exists("/run/auditd.pid"), reason="auditd takes the reports away")
@pytest.mark.parametrize(("log", "reported"), [(True, True), (False, False)])
def test_what_would_be_denied_is_reported(log: bool, reported: bool) -> None:
    mark = f"probe-{os.getpid()}"
    program = f"open('/proc/self/comm', 'w').write('{mark}'); print(call({number_of('keyctl')}, 0, -3, 0))"
    with open("/dev/kmsg", "rb", buffering=0) as messages:
        os.set_blocking(messages.fileno(), False)
        # The kernel drops records of which there are too many, such as those of other tests.
        for attempt in range(1 if not reported else 20):
            time.sleep(attempt and 1)
            os.lseek(messages.fileno(), 0, os.SEEK_END)
            result = python(program, Seccomp(log=log), facts=SETS).stdout.strip()
            assert result == "EPERM" if not log else result.isdigit()
            if found := records(messages.fileno(), mark):
                break
    assert bool(found) is reported
    if reported:
        assert f"syscall={number_of('keyctl')}" in found[0]


def records(kmsg: int, mark: str) -> list[str]:
    """Return the reports of filters about a program that the kernel's log holds from where it stands."""
    found = []
    while True:
        try:
            line = os.read(kmsg, 8192).decode(errors="replace")
        except BlockingIOError:
            return found
        except BrokenPipeError:
            continue
        if "type=1326" in line and f'comm="{mark}"' in line:
            found.append(line)


NEEDED = [
    *("rt_sigaction", "rt_sigprocmask", "close_range", "write", "execve"),
    *("brk", "exit_group", "getsockname", "mmap", "munmap", "sendmsg"),
]


@pytest.mark.parametrize("launcher", ["direct", "zygote", None])
def test_a_filter_that_allows_a_start_no_more_than_it_needs(launcher: str | None) -> None:
    """The list of what a launcher calls by itself is complete: a failing command is told, and nothing is killed."""
    feature = Seccomp(profile="none", default="kill_process", rules=[Rule(NEEDED, "allow")])
    chosen = choose_launcher(launcher)
    try:
        with pytest.raises(SetupError) as caught:
            run(feature, command=["/no/such/program"], facts=(NoNewPrivileges("test"),), launcher=chosen)
        assert (caught.value.stage, caught.value.errno) == ("EXEC", errno.ENOENT)
        # The command itself gets nothing beyond that.
        outcome = run(feature, command=["/bin/true"], facts=(NoNewPrivileges("test"),), launcher=chosen)
        assert outcome.exit_status == KILLED
    finally:
        chosen.close()


def test_without_a_right_it_is_loaded_only_with_no_new_privs() -> None:
    """The kernel refuses what planning refuses: a filter of somebody without CAP_SYS_ADMIN."""
    program = f"""
import os, struct
os.setresuid(1000, 1000, 1000)
code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000))
description = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 1, ctypes.addressof(code)))
print(call({number_of("seccomp")}, 1, 0, ctypes.addressof(description)))
print(call({number_of("prctl")}, 38, 1, 0, 0, 0))
print(call({number_of("seccomp")}, 1, 0, ctypes.addressof(description)))
"""
    assert python(program).stdout.split() == ["EACCES", "0", "0"]
