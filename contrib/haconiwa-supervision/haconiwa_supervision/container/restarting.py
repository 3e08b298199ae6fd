"""Whether, and when, a container that has ended is started again."""

from __future__ import annotations

from haconiwa_supervision import Supervision

_MOST_DOUBLINGS = 60


def wants_restart(policy: Supervision, exit_status: int | None) -> bool:
    """Return whether it is started again after that end.

    Args:
        policy: how it is kept.
        exit_status: None where nobody knows it, or the start has failed.
    """
    return policy.restart == "always" or (policy.restart == "on-failure" and exit_status != 0)


def restart_delay(policy: Supervision, in_a_row: int) -> float | None:
    """Return after how many seconds it is started again; None where that has been often enough.

    Args:
        policy: how it is kept.
        in_a_row: how often it was started again before, each time to end before long.
    """
    if 0 < policy.restart_limit <= in_a_row:
        return None
    return min(policy.restart_delay * 2.0 ** min(in_a_row, _MOST_DOUBLINGS), policy.restart_delay_most)
