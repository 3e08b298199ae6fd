"""What a network needs of the host: that its interfaces and rules can be made, and that packets are forwarded."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

from haconiwa_core.diagnosis import Diagnosis
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import CLONE_NEWNET
from haconiwa_core.linux.host import system_call
from haconiwa_core.linux.netlink import open_netlink, send_message
from haconiwa_network import messages
from haconiwa_network.rules.encoding import NETLINK_NETFILTER, batch
from haconiwa_network.rules.table import policy, table

_FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
_MTU = 1500
_BRIDGE = "haconiwa-try"


def diagnose() -> Iterator[Diagnosis]:
    """Make a bridge and the rules in a network namespace that ends at once, and read whether the host forwards."""
    refused: dict[str, OSError] = {}
    # The namespace is the thread's own, and ends with it.
    thread = Thread(target=_try, args=(refused,), name="haconiwa-network")
    thread.start()
    thread.join()
    meanings = {
        "bridge": ("networks of containers can be made", "modprobe bridge (CONFIG_BRIDGE)"),
        "nf_tables": (
            "ports can be published, and destinations restricted",
            "modprobe -a nf_tables nft_chain_nat nft_fib_inet (CONFIG_NF_TABLES_INET, CONFIG_NF_TABLES_BRIDGE)",
        ),
    }
    for name, (good, remedy) in meanings.items():
        error = refused.get(name) or refused.get("namespace")
        if error is None:
            yield Diagnosis(name, "ok", good)
        elif error.errno == errno.EPERM:
            meaning = "the caller may make no links: it lacks CAP_NET_ADMIN or CAP_SYS_ADMIN"
            yield Diagnosis(name, "missing", meaning, "run as root, or use haconiwa-user-network")
        else:
            yield Diagnosis(name, "missing", f"the kernel refuses: {os.strerror(error.errno or 0)}", remedy)
    for version, setting in _FORWARDING.items():
        file = Path("/proc/sys", setting.replace(".", "/"))
        if file.exists() and file.read_text().strip() != "0":
            yield Diagnosis(setting, "ok", f"the host forwards IPv{version}, as masquerade needs")
        else:
            meaning = f"no IPv{version} is forwarded: masquerade is refused, and published ports answer the host alone"
            yield Diagnosis(setting, "degraded", meaning, f"as root: sysctl {setting}=1")


def _try(refused: dict[str, OSError]) -> None:
    try:
        system_call(Call.unshare, CLONE_NEWNET)
    except OSError as error:
        refused["namespace"] = error
        return
    made = {
        "bridge": (messages.NETLINK_ROUTE, [messages.bridge(_BRIDGE, _MTU)]),
        "nf_tables": (NETLINK_NETFILTER, [batch(list(table())), batch(list(policy()))]),
    }
    for name, (family, sent) in made.items():
        try:
            with open_netlink(family) as opened:
                for message in sent:
                    send_message(opened, message)
        except OSError as error:
            refused[name] = error
