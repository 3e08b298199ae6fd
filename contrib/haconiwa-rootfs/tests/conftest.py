"""A store of each test's own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from haconiwa_rootfs import Rootfs
from haconiwa_rootfs.building import build_base
from haconiwa_rootfs.store.roots import VARIABLE, Store

from haconiwa_core.container import Container


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "roots"))
    monkeypatch.setenv("HACONIWA_STATE", str(tmp_path / "state"))
    return Store()


@pytest.fixture
def create(store: Store, tmp_path: Path) -> Callable[[Rootfs], list[str]]:
    """Builds a root as `haconiwa create` does; returns what the strategy has told."""

    def built(feature: Rootfs) -> list[str]:
        told: list[str] = []
        container = Container("box", command=["true"], features=[feature], folder=str(tmp_path))
        build_base(container, feature, store, lambda _, line: told.append(line))
        return told

    return built
