"""Checks of the rows that a plugin has in the isolation matrix."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, State
from haconiwa_core.runtime.record import Process
from haconiwa_core.testing.conformance.subject import Subject
from haconiwa_core.testing.plans import all_plugins, plan_of


class IsolationChecks(Subject):
    """What the plugin reads back of a live process."""

    def test_its_rows_say_whose_they_are(self, tmp_path: Path) -> None:
        """Rows of the isolation matrix are about any process, whether the container has the section or not.

        If it fails: yield a `Row` of texts for each thing, with the plugin's own section and one of the states, also
            where the feature is None, which asks for nothing; let no key occur twice.
        """
        plugins = all_plugins()
        plans = list(self.plans(tmp_path))
        cases = [(plan.container.feature(self.section), plan) for plan in plans]
        bare = plan_of(folder=str(tmp_path))
        with Confined(Process.of_this()) as confined:
            for feature, plan in ((None, bare), *cases):
                rows = plugins.isolation(self.section, feature, plan, confined)
                for row in rows:
                    assert isinstance(row, Row), f"{row!r} is no Row"
                    assert all(type(text) is str for text in row), f"{row} has what is no text"
                    assert row.section == self.section, f"{row} is another plugin's"
                    assert row.what, f"{row} says of nothing"
                    assert row.state in get_args(State), f"{row}: there is no state {row.state}"
                    assert bool(row.asked) == (row.state != "unasked"), f"{row}: it is unasked if nothing is asked"
                keys = [row.what for row in rows]
                assert len(set(keys)) == len(keys), f"{keys}: a key occurs once"
                assert feature or not [row for row in rows if row.asked], f"{rows}: no section asks for nothing"
