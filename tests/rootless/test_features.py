"""What each feature says that it can do without root, tried: the example of its README, as an ordinary user."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from rootless.conftest import HOME, RANGES, UID, Run, output

from haconiwa_core.plugins.discovery import State, installed
from haconiwa_core.testing import all_plugins, readme_of

SECTIONS = [plugin.name for plugin in installed() if plugin.state is State.ENABLED]
ABLE = {name: all_plugins().feature_class(name).rootless.able for name in SECTIONS}

IN_A_NAMESPACE = ("--with", "ns-user")
WITHOUT_LIMITS = ("--set", "hardened.memory=max", "--set", "hardened.pids=max")
"""This host may have controllers in version 1 only, which is never delegated: see test_cgroups.py for limits."""

ADDED: Mapping[str, Sequence[str]] = {
    "chroot": (*IN_A_NAMESPACE, "--set", "chroot.root=/run/root"),
    "credentials": RANGES,
    "hardened": (*RANGES, "--set", "hardened.root=/", *WITHOUT_LIMITS),
    "init": (*IN_A_NAMESPACE, "--with", "ns-mount"),
    "keyring": ("--set", f'keyring.keys=[{{description="mine", file="{HOME}/key"}}]'),
    "lxcfs": (*IN_A_NAMESPACE, "--set", "lxcfs.directory=/run/lxcfs"),
    "ns-user": (),
    **dict.fromkeys(("audit", "no-new-privs", "rlimit", "scheduling", "supervision"), ()),
}
"""What an ordinary user adds to the example, where it is not a user namespace that maps his own id."""

ELSEWHERE = {
    "apparmor": "test_apparmor.py",
    "cgroup": "test_cgroups.py",
    "fastcontainer": "test_fastcontainer.py",
    "rootfs": "test_provisioning.py",
    "user-network": "test_user_network.py",
}
"""Where those are tried that need more of the host."""

REFUSED: Mapping[str, tuple[Sequence[str], str, str]] = {
    "capabilities": ((), "CAP_SETPCAP", "run as root, or add ns-user"),
    "chroot": ((), "CAP_SYS_ADMIN", "run as root, or add ns-user"),
    "credentials": (IN_A_NAMESPACE, "1000 is not mapped in the user namespace", "map it there"),
    "hardened": ((), "without CAP_SETUID one may map one's own id", 'write "auto"'),
    "init": (IN_A_NAMESPACE, "needs a new mount namespace", "add ns-mount"),
    "landlock": ((), "no_new_privs or CAP_SYS_ADMIN", "add no-new-privs"),
    "rlimit": (("--set", "rlimit.nofile=9999999"), "CAP_SYS_RESOURCE", "CAP_SYS_RESOURCE"),
    "scheduling": (("--set", "scheduling.nice=-5"), "CAP_SYS_NICE", "CAP_SYS_NICE"),
    "seccomp": ((), "no_new_privs, or CAP_SYS_ADMIN", "add no-new-privs"),
    "ns-user": (("--set", "ns-user.uid_map=[{inside=0, outside=0, count=1}]"), "without CAP_SETUID", 'write "auto"'),
    **dict.fromkeys(
        ("mount", "sysctl", *(name for name in SECTIONS if name.startswith("ns-") and name != "ns-user")),
        ((), "CAP_SYS_ADMIN", "run as root, or add ns-user"),
    ),
}
"""What is refused each time: what is added to the example, the reason, and the way."""


def example(section: str) -> Path:
    """Write the example of a README as a file that is the user's."""
    (text,) = re.findall(r"^```toml\n(.*?)^```$", readme_of(f"haconiwa-{section}"), re.MULTILINE | re.DOTALL)
    file = HOME / f"{section}.toml"
    file.write_text(text)
    (HOME / "key").write_text("secret")
    os.chown(HOME / "key", UID, UID)
    return file


@pytest.fixture
def lxcfs(machine: Path) -> Iterator[None]:
    """The program of the host's that root has started."""
    if not shutil.which("lxcfs"):
        pytest.skip("lxcfs is not installed")
    folder = Path("/run/lxcfs")
    folder.mkdir()
    command = ["lxcfs", "--foreground", "--pidfile", "/run/lxcfs.pid", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not folder.is_mount():
            assert process.poll() is None, "lxcfs has ended"
            time.sleep(0.01)
        yield
        process.terminate()
        process.wait()
    subprocess.run(["umount", "--lazy", folder], check=False, stderr=subprocess.DEVNULL)


@pytest.fixture
def what_it_needs(section: str) -> None:
    """Skip where this host lacks what nobody has without root's help."""
    if section in ELSEWHERE:
        pytest.skip(f"{ELSEWHERE[section]} tries it")
    if section == "init" and not shutil.which("tini"):
        pytest.skip("tini is not installed")


@pytest.mark.usefixtures("what_it_needs")
@pytest.mark.parametrize("section", [name for name in SECTIONS if ABLE[name] != "no"])
def test_it_does_what_it_says(section: str, user: Run, request: pytest.FixtureRequest) -> None:
    group = request.getfixturevalue("subtree") if section == "hardened" else None
    if section == "lxcfs":
        request.getfixturevalue("lxcfs")
    output(user("run", "--rm", *ADDED.get(section, IN_A_NAMESPACE), example(section), group=group))


@pytest.mark.parametrize("section", REFUSED)
def test_what_cannot_be_had_names_the_reason_and_the_way(section: str, user: Run) -> None:
    added, reason, way = REFUSED[section]
    done = user("run", "--rm", *added, example(section))
    assert done.returncode in (2, 125)
    assert reason in done.stderr
    assert way in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("section", [name for name in SECTIONS if ABLE[name] == "no"])
def test_what_only_root_can_do_is_refused_before_anything_is_done(section: str, user: Run) -> None:
    done = user("run", "--rm", *IN_A_NAMESPACE, example(section))
    assert done.returncode == 2
    # A reason, and after it the way.
    assert re.search(rf": {section}(\.\w+)?: .*; .*", done.stderr)


def test_limits_without_a_group_of_his_own(user: Run) -> None:
    done = user("run", "--rm", "--set", "cgroup.pids=10", "--", "true")
    assert done.returncode in (2, 125)
    assert "scope" in done.stderr
    assert "parent" in done.stderr


def test_what_it_says_is_shown(user: Run) -> None:
    assert "without root: yes\n" in output(user("plugins", "show", "no-new-privs"))
    assert "without root: partly, up to the hard limits" in output(user("plugins", "show", "rlimit"))


@pytest.mark.parametrize("kind", ["cgroup", "ipc", "mount", "net", "time", "user", "uts"])
def test_a_handle_is_refused_before_anything_is_done(kind: str, user: Run) -> None:
    done = user("run", "--rm", *IN_A_NAMESPACE, "--set", f"ns-{kind}.keep={HOME}/handle", "--", "true")
    assert done.returncode == 2
    assert f"ns-{kind}.keep: needs CAP_SYS_ADMIN" in done.stderr
    assert "join the namespace of a running container" in done.stderr


def test_a_container_is_joined_instead(user: Run) -> None:
    joined = ("--set", "ns-user.join=first", "--set", "ns-uts.join=first")
    output(user("run", "-d", "--name", "first", *RANGES, "--set", "ns-uts.hostname=shared", "--", "sleep", "1000"))
    try:
        assert output(user("run", "--rm", *joined, "--", "uname", "-n")) == "shared\n"
    finally:
        user("rm", "--force", "first")


def test_a_namespace_of_another_user_is_not_joined(user: Run) -> None:
    done = user("run", "--rm", *IN_A_NAMESPACE, "--set", "ns-uts.join=1", "--", "true")
    assert done.returncode == 125
    assert "needs CAP_SYS_PTRACE, which the caller does not have; run as root\n" in done.stderr


def test_files_of_the_host_do_not_change_their_owners(user: Run) -> None:
    options = (*RANGES, "--with", "ns-mount", "--set", "chroot.root=/run/root", "--set", "chroot.idmapped=true")
    done = user("run", "--rm", *options, "--", "true")
    assert done.returncode == 2
    assert "chroot.idmapped: needs CAP_SYS_ADMIN on the host, whose files they are; leave it out" in done.stderr
