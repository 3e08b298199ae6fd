"""What no file tells, attempts do: each row turns red when what it is about is left out of the start."""

import pytest
from haconiwa_capabilities import Capabilities
from haconiwa_cgroup import Cgroup
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_landlock import Landlock, Rule as Grant
from haconiwa_mount import Mount
from haconiwa_no_new_privs import NoNewPrivs
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_user import IdRange, UserNamespace
from haconiwa_rlimit import Rlimit
from haconiwa_seccomp import Rule, Seccomp
from verify.reports import like, report_of, results, states, without

from haconiwa_core.errors import DefinitionError
from haconiwa_core.testing import needs_landlock

IDS = (IdRange(0, 100_000, 65536),)
ALL = Capabilities(all=True)


def outcome(report, name):
    (found,) = [item for item in report.outcomes if item.name == name]
    return found


@needs_landlock(1)
def test_files_of_landlock():
    features = [Landlock(read=["/usr"], unrestricted=("truncate", "ioctl_dev"))]
    report = report_of(features)
    assert report.holds
    assert states(report, "holds") >= {"landlock files"}
    assert results(report, "denied") >= {"read-path", "write-path"}
    report = report_of(features, without("restrict_self"))
    assert states(report, "fails") == {"landlock files"}
    assert results(report, "succeeded") >= {"read-path", "write-path"}


@needs_landlock(6)
def test_scopes_of_landlock():
    features = [Landlock(scope=["signal", "abstract_unix_socket"])]
    assert states(report_of(features), "holds") >= {"landlock scope"}
    report = report_of(features, without("restrict_self"))
    assert states(report, "fails") == {"landlock scope"}


@needs_landlock(4)
def test_ports_of_landlock():
    features = [Landlock(connect_tcp=[1])]
    assert states(report_of(features), "holds") >= {"landlock ports"}
    report = report_of(features, without("restrict_self"))
    assert outcome(report, "loopback").result == "succeeded"
    assert states(report, "fails") == {"landlock ports"}


@needs_landlock(1)
@pytest.mark.parametrize(
    "granted",
    [
        {"read": ["/"], "write": ["/run"]},
        {"execute": ["/"], "write": ["/"]},
        {"rules": [Grant("/run", ["read_file", "write_file"])]},
        {"read": [], "unrestricted": ("truncate", "ioctl_dev", "read_file", "write_file")},
    ],
)
def test_what_landlock_grants_is_nothing_that_it_denies(granted):
    report = report_of([Landlock(**{"unrestricted": ("truncate", "ioctl_dev"), **granted})])
    # Nothing was tried that it denies.
    assert states(report, "unknown") == {"landlock files"}
    assert {"read-path", "write-path"} <= {item.name for item in report.permitted}


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("bpf", "bpf"),
        ("perf_event_open", "perf"),
        ("userfaultfd", "userfaultfd"),
        ("io_uring_setup", "io-uring"),
        ("keyctl", "user-key"),
        ("ptrace", "trace-process"),
        ("settimeofday", "clock"),
        ("unshare", "user-namespace"),
    ],
)
def test_a_filter_of_another_content(call, name):
    asked, loaded = (Seccomp(profile="none", default="allow", rules=[Rule([each], "errno")]) for each in (call, "acct"))
    report = report_of([asked])
    assert outcome(report, name).result == "denied"
    assert states(report, "holds") >= {"seccomp filters"}
    # There is a filter, as was asked for, and its number tells nothing of its content.
    report = report_of([asked], like([loaded]))
    assert outcome(report, name).result == "succeeded"
    assert states(report, "fails") == {"seccomp filters"}


def test_a_filter_that_ends_the_process():
    report = report_of([Seccomp(profile="none", default="allow", rules=[Rule(["bpf"], "kill_process")])])
    assert outcome(report, "bpf")[2:4] == ("denied", "SIGSYS")
    assert report.holds


def test_devices_of_a_control_group():
    features = [Cgroup(devices=["default"])]
    report = report_of(features)
    assert outcome(report, "device").result == "denied"
    assert report.holds
    report = report_of(features, like([Cgroup(devices=["c *:* rwm"])]))
    assert outcome(report, "device").result == "succeeded"
    assert "cgroup devices" in states(report, "fails")
    report = report_of([Cgroup(devices=["default", "/dev/kmsg w"])])
    assert report.holds


def test_limits():
    features = [Cgroup(memory=48 << 20, pids=16), Rlimit(nofile=64)]
    names = {"memory", "processes", "open-files"}
    rows = {"cgroup memory", "cgroup pids", "rlimit nofile"}
    report = report_of(features)
    assert results(report, "denied") >= names
    assert states(report, "holds") >= rows
    more = [Cgroup(memory=256 << 20, pids=64), Rlimit(nofile=1024)]
    report = report_of(features, like(more))
    assert results(report, "succeeded") >= names
    assert states(report, "fails") == rows


def test_a_set_user_id_program():
    user = Credentials(uid=1000, gid=1000)
    report = report_of([user])
    assert outcome(report, "set-user-id").result == "succeeded"
    assert report.holds
    report = report_of([user, NoNewPrivs()])
    assert outcome(report, "set-user-id").result == "denied"


def test_one_that_is_made_inside(root):
    own = [MountNamespace(), PidNamespace(), Chroot(str(root), nosuid=False, read_only=False), Mount(proc=True)]
    assert outcome(report_of(own), "set-user-id").result == "succeeded"
    assert outcome(report_of([*own, NoNewPrivs()]), "set-user-id").result == "denied"


def test_a_plain_chroot_is_left(root):
    report = report_of([Chroot(str(root))])
    assert outcome(report, "second-chroot").result == "succeeded"
    assert outcome(report, "read-path").result == "denied"
    # Nobody has said that it cannot be.
    assert report.holds
    assert (
        outcome(report_of([Chroot(str(root)), Capabilities(drop=("sys_chroot",))]), "second-chroot").result == "denied"
    )


def test_a_handle_opens_what_is_beside_the_root(root):
    own = [MountNamespace(), Chroot(str(root))]
    assert outcome(report_of(own), "read-handle").result == "succeeded"
    report = report_of([*own, Capabilities()])
    assert outcome(report, "read-handle").result == "denied"
    report = report_of([*own, Capabilities()], like(own))
    assert states(report, "fails") >= {"effective capabilities"}


def test_a_new_proc_shows_no_process_of_the_host(root):
    own = [MountNamespace(), PidNamespace(), Chroot(str(root)), Mount(proc=True)]
    assert results(report_of(own), "denied") >= {"see-process", "read-process-root", "signal-process", "trace-process"}
    # The host's proc is there all the same where nothing is mounted.
    report = report_of([PidNamespace()])
    assert results(report, "succeeded") >= {"see-process", "read-process-root"}
    assert report.holds


def test_root_of_a_user_namespace_is_nobody_outside():
    report = report_of([UserNamespace(uid_map=IDS, gid_map=IDS)])
    assert results(report, "denied") >= {"be-root", "clock", "set-host-name"}
    assert report.holds


def test_network_of_its_own_with_its_loopback_up():
    report = report_of([NetNamespace()])
    assert results(report, "denied") >= {"loopback", "abstract-socket"}
    assert report.holds


def test_nothing_is_asked_for():
    report = report_of([ALL])
    assert results(report, "unanswered") == set()
    assert report.holds


def test_a_filter_that_denies_nearly_everything():
    """The probe needs no more than this, beside what a start does after the filter is loaded."""
    needed = ["clone", "execve", "execveat", "exit_group", "read", "wait4", "write"]
    started = ["brk", "getsockname", "mmap", "munmap", "sendmsg", "rt_sigaction", "rt_sigprocmask", "close_range"]
    report = report_of(
        [NoNewPrivs(), Seccomp(profile="none", default="errno", rules=[Rule([*needed, *started], "allow")])]
    )
    assert states(report, "fails") == set()
    assert results(report, "unanswered") == set()
    assert results(report, "denied") >= {"loopback", "mount", "read-path", "bpf"}


def test_a_filter_under_which_no_probe_can_live():
    report = report_of(
        [NoNewPrivs(), Seccomp(profile="none", default="allow", rules=[Rule(["clone"], "kill_process")])]
    )
    assert results(report, "unanswered") >= {"loopback"}
    assert not report.holds


def test_a_filter_that_denies_execution_from_memory():
    with pytest.raises(DefinitionError, match="execveat"):
        report_of([NoNewPrivs(), Seccomp(profile="none", default="allow", rules=[Rule(["execveat"], "errno")])])
