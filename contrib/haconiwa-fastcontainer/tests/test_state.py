"""The state of one host."""

from pathlib import Path

import pytest
from haconiwa_fastcontainer.state import state_of
from haconiwa_fastcontainer.testing import StateContract

from haconiwa_core.errors import HaconiwaError


class TestSqlite(StateContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:{tmp_path / 'a state'}"


def test_kind_that_is_not_installed_is_told_without_the_url() -> None:
    with pytest.raises(HaconiwaError, match="no installed plugin provides the state 'unknown'") as refused:
        state_of("unknown://user:secret@host/database")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["", "state", "/var/lib/state"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(HaconiwaError, match="no installed plugin"):
        state_of(url)
