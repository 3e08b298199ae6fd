"""Checks of what a container leaves open, and of what it leaves where nobody could clean up in time."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from haconiwa_core.host import gather
from haconiwa_core.planning.plan import Plan
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing.conformance.subject import Subject, python
from haconiwa_core.testing.conformance.traces import STATE, Traces, assert_as_before, descriptors
from haconiwa_core.testing.forks import forked
from haconiwa_core.testing.running import held

_COLLECT = """
import sys
from pathlib import Path
sys.modules[sys.argv[1]] = None  # As if it were not installed.
from haconiwa_core.runtime.cleanup import collect
from haconiwa_core.runtime.store import Store
print(*(found.problem for found in collect(Store(Path(sys.argv[2])))), sep="\\n")
"""


class LeftoverChecks(Subject):
    """Records and descriptors."""

    @pytest.mark.usefixtures("suitable_host")
    def test_the_record_is_enough_to_clean_up(self, tmp_path: Path) -> None:
        """What a killed supervisor leaves is cleaned up where the plugin is no longer installed.

        If it fails: what an undo needs stands in its arguments: absolute paths, not what a module or the working
            directory knows.
        """
        store = Store(tmp_path / STATE)
        for plan in self.plans(tmp_path, host=gather(), hold=True):
            before = Traces.seen(tmp_path)

            def crash(plan: Plan = plan) -> None:
                with held(plan, store):
                    os._exit(9)

            assert forked(crash) == 9, "the container cannot be started"
            assert python(_COLLECT, self.package, str(tmp_path / STATE)) == b"\n", "it cannot be cleaned up"
            assert_as_before(tmp_path, before, "its supervisor was killed, and gc has run")

    @pytest.mark.usefixtures("suitable_host")
    def test_it_leaves_no_descriptor_open(self, tmp_path: Path) -> None:
        """The process that starts containers has no more open afterwards than before.

        If it fails: what a host step opens for others is its result (`into`), which the core closes; it closes the
            rest itself.
        """
        store = Store(tmp_path / STATE)
        for plan in self.plans(tmp_path, host=gather(), hold=True):
            before = descriptors()
            with held(plan, store):
                pass
            assert descriptors() == before, "the start has left something open"

    @pytest.mark.usefixtures("suitable_host")
    def test_what_it_opens_is_closed_by_exec(self, tmp_path: Path) -> None:
        """Of what is open before the command is executed, everything but its streams is close-on-exec from the first.

        If it fails: pass O_CLOEXEC, or its like, to every call that opens something.
        """
        store = Store(tmp_path / STATE)
        for plan in self.plans(tmp_path, host=gather(), hold=True):
            with held(plan, store) as created:
                folder = Path(f"/proc/{created.pid}")
                kept = {
                    int(file.name): os.readlink(folder / "fd" / file.name)
                    for file in (folder / "fdinfo").iterdir()
                    if not _flags(file.read_text()) & os.O_CLOEXEC
                }
            assert set(kept) == {0, 1, 2}, f"these survive an exec: {kept}"


def _flags(text: str) -> int:
    """Return the flags with which a file was opened, as /proc/PID/fdinfo tells them, and whether exec closes it."""
    found = re.search(r"^flags:\t(\d+)$", text, re.MULTILINE)
    assert found is not None
    return int(found[1], 8)
