"""Every check of the probe finds something open where something is: what cannot fail would prove nothing."""

from pathlib import Path

from haconiwa_capabilities import Capabilities
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_ns_net import NetNamespace
from haconiwa_seccomp import Seccomp
from probe.probing import hardened, install, on_the_host, opened, probed, starting

NO_FILE = "there is none"
NO_CALL = "Function not implemented"
NO_VERSION_1 = "the controller pids is not of version 1"

NEVER_OPEN_HERE = {
    "masked./proc/acpi": "empty",
    "masked./proc/asound": NO_FILE,
    "masked./proc/kcore": NO_FILE,
    "masked./proc/latency_stats": NO_FILE,
    "masked./proc/sched_debug": NO_FILE,
    "masked./proc/scsi": NO_FILE,
    "masked./proc/timer_stats": NO_FILE,
    "masked./sys/devices/virtual/powercap": NO_FILE,
    "masked./sys/firmware": NO_FILE,
    "read-only./proc/sys/fs/binfmt_misc": "nothing of it can be opened",
    "read-only./proc/sys/kernel/modprobe": NO_FILE,
    "read-only./proc/sysrq-trigger": NO_FILE,
    "read-only./sys/kernel/uevent_helper": NO_FILE,
    "mount.release-agent": NO_FILE,
    "escape.mount-cgroup": NO_VERSION_1,
    "escape.user-namespace-mount-cgroup": NO_VERSION_1,
    "escape.release-agent": NO_VERSION_1,
    "escape.block-device": "the host has none that can be opened",
    "escape.file-handle": "permitted, but another file system's root",
    "call.i386": "ended by signal 11",
    "call.init_module": NO_CALL,
    "call.ioperm": NO_CALL,
    "call.kexec_load": NO_CALL,
    "call.x32": NO_CALL,
}
"""What a host may be without, and how it says so itself."""

ON_HOST = Path("/run")
"""Where any user can execute the probe, as no temporary directory lets him."""

ALL = Capabilities(all=True)
NO_FILTER = Seccomp(profile="none", default="allow")


def weak(root):
    """Return what is as weak as can be, each in another respect."""
    program, set_user_id = map(str, (ON_HOST / "probe", ON_HOST / "probe-suid"))
    kept = Capabilities(all=True, ambient=("kill", "setuid"), securebits=("no_setuid_fixup",))
    return {
        "root": (on_the_host(program), set_user_id),
        "user": (on_the_host(program, 1000), set_user_id),
        "plain chroot": (starting([Chroot(str(root))]), ""),
        "covered only": (starting([*hardened(root, ids="host"), ALL, NO_FILTER]), ""),
        "ambient": (starting([Credentials(uid=1000, gid=0), kept, NetNamespace(loopback=False)], program), ""),
    }


def test_every_check_can_be_open(probe, root, tmp_path):
    for place in (ON_HOST, root):
        install(probe, place, 0)
    findings = {name: probed(tmp_path, *how) for name, how in weak(root).items()}
    on_host = findings["root"]
    assert all(each.keys() == on_host.keys() for each in findings.values())
    excused = {name for name, finding in on_host.items() if finding.detail == NEVER_OPEN_HERE.get(name)}
    assert on_host.keys() - set().union(*map(opened, findings.values())) == excused
