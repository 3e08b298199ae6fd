"""Capabilities and other rights of the process, in the fake kernel (prctl(2), capset(2))."""

from __future__ import annotations

from haconiwa_core.linux import constants as c
from haconiwa_core.testing.fake.state import State


class PrivilegeCalls(State):
    """Calls by which a process changes its rights."""

    no_new_privileges = False

    def _prctl(self, option: int, _argument: int) -> int:
        if option == c.PR_SET_NO_NEW_PRIVS:
            self.no_new_privileges = True
        if option == c.PR_GET_NO_NEW_PRIVS:
            return int(self.no_new_privileges)
        return 0
