"""Wheels are built once for all tests of a session."""

from __future__ import annotations

import tomllib

import pytest
from publishing.local_index import TREE, Index, build_index

OUTSIDER = TREE / "contrib" / "haconiwa-keyring" / "pyproject.toml"


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """All distributions of the project, what they need, and what others need to write one."""
    needed = tomllib.loads(OUTSIDER.read_text("utf-8"))["project"]["optional-dependencies"]["dev"]
    others = [requirement for requirement in needed if not requirement.startswith("haconiwa-")]
    return build_index(tmp_path_factory.mktemp("index"), others=others)
