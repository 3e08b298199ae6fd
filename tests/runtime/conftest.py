"""Runtimes with records of their own."""

from __future__ import annotations

import pytest
from haconiwa_runtime import Runtime

from haconiwa_core.launch.direct import DirectLauncher
from haconiwa_core.runtime.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "state")


@pytest.fixture(params=["direct", "default"])
def runtime(request, store):
    launcher = DirectLauncher() if request.param == "direct" else None
    with Runtime(store=store, launcher=launcher) as runtime:
        yield runtime
