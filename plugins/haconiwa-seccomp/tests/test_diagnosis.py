"""What is said of a host follows from what its kernel lets a filter answer."""

from __future__ import annotations

from haconiwa_seccomp.diagnosis import diagnose

from haconiwa_core.testing import host


def test_all_answers() -> None:
    given = host(seccomp_actions=("errno", "log", "kill_process", "user_notif"))
    assert [(found.name, found.state) for found in diagnose(given)] == [
        ("libseccomp", "ok"),
        ("seccomp actions", "ok"),
    ]


def test_an_answer_that_the_kernel_lacks() -> None:
    given = host(seccomp_actions=("errno", "log", "kill_process"))
    _, found = diagnose(given)
    assert (found.name, found.state, found.meaning) == (
        "seccomp user_notif",
        "missing",
        "filters cannot ask a handler about a call",
    )
