"""One tox environment for each distribution of the tree, with nothing listed by hand."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tox.config.loader.memory import MemoryLoader
from tox.config.sets import ConfigSet
from tox.config.types import Command, EnvList
from tox.plugin import impl
from tox.session.state import State

ROOT = Path(__file__).parent
WHEELS = ".wheels"


@dataclass(frozen=True)
class Distribution:
    """A folder that is built into a wheel.

    Args:
        folder: with the pyproject.toml.
        name: of the distribution.
        package: that it installs.
        tests: the folder of its own tests.
        needed: requirements.
    """

    folder: Path
    name: str
    package: str
    tests: Path
    needed: tuple[str, ...]

    @property
    def environment(self) -> str:
        """The name of its environment: "core", "rlimit" ...."""
        return self.name.removeprefix("haconiwa-")


def distributions() -> Iterator[Distribution]:
    """Yield the core, the plugins, and what is built on them."""
    for file in (
        ROOT / "pyproject.toml",
        *sorted(ROOT.glob("plugins/*/pyproject.toml")),
        *sorted(ROOT.glob("contrib/*/pyproject.toml")),
    ):
        data: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
        folder = file.parent
        tests = folder / "tests" / "core" if folder == ROOT else folder / "tests"
        name: str = data["project"]["name"]
        yield Distribution(folder, name, name.replace("-", "_"), tests, tuple(data["project"]["dependencies"]))


def stack_of(distribution: Distribution, everything: Sequence[Distribution]) -> list[Distribution]:
    """Return a distribution and those of the tree that it needs, directly or not."""
    stack = [distribution]
    for item in stack:
        needed = [other for other in everything if any(_is_for(other, requirement) for requirement in item.needed)]
        stack += [other for other in needed if other not in stack]
    return stack


def _is_for(distribution: Distribution, requirement: str) -> bool:
    return requirement.partition(">")[0] == distribution.name


@impl
def tox_extend_envs() -> tuple[str, ...]:
    """Add an environment for each distribution."""
    return tuple(distribution.environment for distribution in distributions())


@impl
def tox_add_core_config(core_conf: ConfigSet, state: State) -> None:
    """Give each environment its commands, and let the packaging environment build every wheel once."""
    work: Path = core_conf["work_dir"]
    wheels = work / WHEELS / "tmp"
    everything = list(distributions())
    for distribution in everything:
        # What is in memory is taken as it is, without tox's substitutions.
        commands = [
            "uv pip check",
            f"python -I {ROOT}/scripts/import_all.py {distribution.package}",
            "mkdir tests",
            f"cp -r {distribution.tests} tests/",
            f"cp {ROOT}/pyproject.toml .",
            "pytest -q -p no:cacheprovider tests",
        ]
        if distribution.folder != ROOT:
            stack = [item for item in stack_of(distribution, everything) if item.folder != ROOT]
            # Versions stay while the code changes: what was installed or cached under one may be an older tree's.
            fresh = " ".join(f"--reinstall-package {item.name}" for item in stack)
            commands.insert(0, f"uv pip install --quiet --no-index --find-links {wheels} {fresh} {distribution.name}")
            others = {needed for item in stack for needed in item.needed if not needed.startswith("haconiwa-")}
            if others:
                commands.insert(0, f"uv pip install --quiet {' '.join(sorted(others))}")
        loader = MemoryLoader(description=f"{distribution.name} alone", commands=_parsed(commands))
        state.conf.memory_seed_loaders[distribution.environment].append(loader)
    built = [f"uv build --quiet --wheel --out-dir {wheels} {distribution.folder}" for distribution in everything]
    state.conf.memory_seed_loaders[WHEELS].append(MemoryLoader(commands=_parsed(built)))
    core_conf.loaders.append(MemoryLoader(env_list=EnvList([item.environment for item in everything])))


def _parsed(commands: Sequence[str]) -> list[Command]:
    return [Command(command.split()) for command in commands]
