"""Parts of the kernel that hardly any program needs, and what it keeps for users."""

from __future__ import annotations

from haconiwa_audit.filters import Asked as Call

from haconiwa_verify.asked import KEYRING, joined
from haconiwa_verify.attempt import Attempt, permitted, told


def _needless(name: str, what: str, word: str, call: Call) -> Attempt:
    """Return an attempt that nothing but a filter denies."""
    return Attempt(name, what, lambda _: (word,), permitted, lambda scene: scene.asked.filtered(call))


ATTEMPTS = (
    _needless("bpf", "give the kernel a map (bpf)", "make-bpf-map", Call.bpf),
    _needless("perf", "count events of the processor (perf_event_open)", "count-events", Call.perf_event_open),
    _needless("userfaultfd", "handle page faults (userfaultfd)", "handle-faults", Call.userfaultfd),
    _needless("io-uring", "make a ring of requests (io_uring_setup)", "make-ring", Call.io_uring_setup),
    Attempt(
        "session-key",
        "read a key of the caller's session",
        lambda scene: ("find-key", "session", f"{scene.name}-session"),
        told,
        lambda scene: joined([KEYRING], scene.asked.filtered(Call.keyctl)),
    ),
    Attempt(
        "user-key",
        "read a key of the caller's user",
        lambda scene: ("find-key", "user", f"{scene.name}-user"),
        told,
        lambda scene: joined(scene.asked.own("user"), scene.asked.filtered(Call.keyctl)),
    ),
    Attempt(
        "shared-memory",
        "read shared memory of the host (System V)",
        lambda scene: ("read-shared-memory", scene.shared_memory),
        told,
        lambda scene: scene.asked.own("ipc"),
    ),
)
