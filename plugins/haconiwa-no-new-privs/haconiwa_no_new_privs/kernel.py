"""The call of no_new_privs, and its read-back."""

from __future__ import annotations

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.vocabulary import Operations, lowers
from haconiwa_core.operation import Operation


@lowers
def set_no_new_privileges() -> Operations:
    """Set no_new_privs for the process and all that descend from it, for ever, and read it back (prctl(2))."""
    yield Operation(Call.prctl, (c.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    yield Operation(Call.prctl, (c.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), returns=1)
