"""The container of one step."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from haconiwa_capabilities import Capabilities
from haconiwa_mount import Mount, Tmpfs
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_user import UserNamespace

from haconiwa_core.container import Container
from haconiwa_core.errors import HaconiwaError
from haconiwa_core.feature import Feature
from haconiwa_core.host import HostFacts, gather
from haconiwa_core.linux.constants import CAP_SYS_ADMIN
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.discovery import installed
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.start import start
from haconiwa_core.runtime.store import Store
from haconiwa_rootfs.provisioning import Provision
from haconiwa_rootfs.provisioning.layered import INSTALLED, Layered

_ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
_LINE = 1 << 16


def run_step(step: Provision, root: Layered, show: Callable[[str], None]) -> None:
    """Run a step to its end, with what it changes kept in the root's upper directory.

    It has all of the root and nothing else of the host but its network, if it may use that; memory at /tmp and /run;
    and no more rights than user 0 needs to install software.

    Args:
        step: what is run.
        root: where.
        show: called with each line of its output, 64 KiB at most.

    Raises:
        DefinitionError: it cannot be planned.
        SetupError: its container could not be set up.
        HaconiwaError: its exit status is not 0.
    """
    host = gather()
    container = Container(
        "provision",
        command=step.command,
        features=[root, *_features(step, host)],
        env={**_ENVIRONMENT, **_proxies(os.environ)},
        stdin="null",
        folder="/",
    )
    planned = plan(container, host, Plugins([*installed(), INSTALLED]))
    reader, writer = os.pipe()
    with open(reader, "rb") as output:
        try:
            streams = {"stdout": writer, "stderr": writer}
            running = start(planned, Store().claim_unique("provision"), streams)
        finally:
            os.close(writer)
        try:
            # They all end with the first process, so that the pipe does.
            for line in iter(lambda: output.readline(_LINE), b""):
                show(line.decode(errors="replace").rstrip("\n"))
        except BaseException:
            running.kill()
            raise
        finally:
            end = running.finish(remove=True)
    if end.exit_status != 0:
        raise HaconiwaError(f"the step {step.name} has ended with status {end.exit_status}; nothing is left of it")


def _features(step: Provision, host: HostFacts) -> Sequence[Feature]:
    memory = [Tmpfs("/tmp", mode=0o1777), Tmpfs("/run")]  # noqa: S108 - the container's
    features: list[Feature] = [
        PidNamespace(),
        MountNamespace(),
        Mount(proc=True, dev=True, devpts=True, shm=True, tmpfs=memory),
        Capabilities(),
    ]
    if not host.has_capability(CAP_SYS_ADMIN):
        features.append(UserNamespace(uid_map="auto", gid_map="auto"))
    if not step.network:
        features.append(NetNamespace())
    return features


def _proxies(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables by which the host's programs find their way to the network, if there are any."""
    return {name: value for name, value in environment.items() if name.lower() in _PROXIES}
