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


def others_of(distribution: Distribution, everything: Sequence[Distribution]) -> list[str]:
    """Return what a distribution, and those of the tree that it needs, need from outside of it."""
    siblings = [item for item in everything if any(_is_for(item, needed) for needed in distribution.needed)]
    below = {needed for sibling in siblings for needed in others_of(sibling, everything)}
    return sorted(below | {needed for needed in distribution.needed if not needed.startswith("haconiwa-")})


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
            install = f"uv pip install --quiet --no-index --find-links {wheels} --reinstall-package"
            commands.insert(0, f"{install} {distribution.name} {distribution.name}")
            if others := others_of(distribution, everything):
                commands.insert(0, f"uv pip install --quiet {' '.join(others)}")
        loader = MemoryLoader(description=f"{distribution.name} alone", commands=_parsed(commands))
        state.conf.memory_seed_loaders[distribution.environment].append(loader)
    built = [f"uv build --quiet --wheel --out-dir {wheels} {distribution.folder}" for distribution in everything]
    state.conf.memory_seed_loaders[WHEELS].append(MemoryLoader(commands=_parsed(built)))
    core_conf.loaders.append(MemoryLoader(env_list=EnvList([item.environment for item in everything])))


def _parsed(commands: Sequence[str]) -> list[Command]:
    return [Command(command.split()) for command in commands]
