"""Which kernel parameters belong to a namespace, and to a namespace of which kind: one reviewed table.

What is not in it is taken to be the whole host's. Reviewed with the sources of Linux 6.18, and by changing
everything that can be written in a new namespace and looking for changes outside it.
"""

from __future__ import annotations

IPC = frozenset(
    {
        *(f"fs/mqueue/{name}" for name in ("msg_default", "msg_max", "msgsize_default", "msgsize_max", "queues_max")),
        *(f"kernel/{name}" for name in ("msgmax", "msgmnb", "msgmni", "sem")),
        *(f"kernel/{name}" for name in ("shm_rmid_forced", "shmall", "shmmax", "shmmni")),
    }
)
"""Of an IPC namespace (ipc_namespaces(7))."""

USER = frozenset(
    {
        *(f"user/max_{kind}_namespaces" for kind in ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")),
        *("user/max_fanotify_groups", "user/max_fanotify_marks", "user/max_inotify_instances"),
        "user/max_inotify_watches",
    }
)
"""Of a user namespace (namespaces(7), "The /proc/sys/user directory")."""

NET_CORE = frozenset(
    f"net/core/{name}"
    for name in (
        *("optmem_max", "rps_default_mask", "somaxconn", "tstamp_allow_data", "txrehash", "xfrm_acq_expires"),
        *("xfrm_aevent_etime", "xfrm_aevent_rseqth", "xfrm_larval_drop"),
    )
)
"""Of a network namespace; all else of net/core is the host's."""

NET_FAMILIES = ("bridge", "ipv4", "ipv6", "mpls", "mptcp", "netfilter", "sctp", "smc", "unix")
"""Directories below net of which a new network namespace shows its own, and no file of the host's that it may write."""

NET_SHARED = frozenset(
    {
        # Read-only in a new namespace since Linux 5.13, the host's before.
        "net/ipv4/tcp_allowed_congestion_control",
        *("net/netfilter/nf_conntrack_buckets", "net/netfilter/nf_conntrack_expect_max"),
        "net/netfilter/nf_conntrack_max",
        # Can be written in every namespace, and is one for all.
        "net/netfilter/nf_hooks_lwtunnel",
    }
)
"""Files of these directories that are the whole host's nevertheless."""

NAMES = frozenset({"kernel/domainname", "kernel/hostname"})
"""Of a UTS namespace, whose feature sets them."""


def path_of(name: str) -> str:
    """Return a name's path below /proc/sys: the separator that comes first divides it, the other is part of a name."""
    dotted = "/" not in name.partition(".")[0]
    return name.translate(str.maketrans("./", "/.")) if dotted else name


def name_of(path: str) -> str:
    """Return the name, with dots, of a path below /proc/sys."""
    return path.translate(str.maketrans("./", "/."))


def namespace_of(path: str) -> str:
    """Return the kind of the namespace that a parameter belongs to, as `Namespace.kind`; "" for the whole host's."""
    if path in IPC:
        return "ipc"
    if path in USER:
        return "user"
    top, family, *below = path.split("/")
    own = path in NET_CORE or (family in NET_FAMILIES and below and path not in NET_SHARED)
    return "net" if top == "net" and own else ""
