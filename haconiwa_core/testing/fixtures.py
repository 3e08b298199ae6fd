"""Fixtures for the tests of plugins: what a test has of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from haconiwa_core.plugins.discovery import GROUP, Installed, installed, usable
from haconiwa_core.plugins.entrypoints import EntryPoint
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.testing.published import INSTALLED
from haconiwa_core.testing.roots import busybox_root


class Chosen(Plugins):
    """The plugins of one test: it has none but those that the test chooses, whatever is installed."""

    def __init__(self) -> None:
        super().__init__([INSTALLED])

    def only(self, *names: str) -> Chosen:
        """Take installed plugins by their names; return itself.

        Raises:
            PluginError: one is absent, disabled, incompatible or ambiguous.
        """
        self.all.extend(usable(name, installed()) for name in names)
        return self

    def inline(self, plugin: object) -> Chosen:
        """Take a plugin that is in no distribution; return itself.

        Args:
            plugin: a module, a namespace or another object whose attributes are the hooks.
        """
        # pluggy takes only what can be hashed, and a namespace cannot.
        hooks = ModuleType("inline")
        vars(hooks).update({name: getattr(plugin, name) for name in dir(plugin) if name.startswith("haconiwa_")})
        entry_point = _Inline(hooks.haconiwa_feature().section, f"{__name__}:inline", GROUP)
        entry_point.module_of_hooks = hooks
        self.all.append(Installed(entry_point))
        return self


class _Inline(EntryPoint):
    """An entry point that leads to hooks instead of a module."""

    module_of_hooks: ModuleType

    def load(self) -> ModuleType:
        """Return the hooks."""
        return self.module_of_hooks


@pytest.fixture
def plugins() -> Chosen:
    """The plugins of this test: none, until it chooses with `only` and `inline`."""
    return Chosen()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root directory with a static shell and the usual empty directories, for containers of this test."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if shutil.which("busybox") is None:
        pytest.skip("busybox is not installed")
    return busybox_root(tmp_path / "root")
