"""Roots are built: by a strategy, then an owner, then a script."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.options import build as checked
from haconiwa_rootfs import Rootfs
from haconiwa_rootfs.provisioning import Provision, keys_after
from haconiwa_rootfs.store.roots import Root, Store
from haconiwa_rootfs.strategy import Strategy, Target, find


def strategy_of(source: Mapping[str, Mapping[str, Any]]) -> tuple[Strategy, Any]:
    """Return the strategy that is named, and its options.

    Raises:
        DefinitionError: none is named or several, or an option is wrong.
        PluginError: there is none of this name, or it is broken.
    """
    if len(source) != 1:
        raise DefinitionError([Problem(f"must name one strategy, not {len(source)}", key="strategy")])
    ((name, values),) = source.items()
    strategy = find(name)
    options, complaints = checked(strategy.Options, values, f"strategy.{name}.")
    if complaints:
        raise DefinitionError([Problem(each.text, key=each.key, hint=each.hint) for each in complaints])
    return strategy, options


def store_of(feature: Rootfs, folder: str) -> Store:
    """Return where a root is kept."""
    return Store(Path(folder, feature.store) if feature.store else None)


def base_key(feature: Rootfs, folder: str) -> str:
    """Return the key of the root before its steps: what it is made from, and all that this depends on.

    Raises:
        DefinitionError: the source is wrong.
        HaconiwaError: what it depends on cannot be read.
    """
    strategy, options = strategy_of(feature.strategy)
    facts = {
        "source": {name: {key: values[key] for key in values} for name, values in feature.strategy.items()},
        "inputs": dict(strategy.inputs(options, folder)),
        "owner": feature.owner,
        "postprocess": feature.postprocess,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def last_key(feature: Rootfs, folder: str) -> str:
    """Return the key of the root after its steps; the arguments and errors are those of `base_key`."""
    key = base_key(feature, folder)
    return [key, *keys_after(key, feature.provision)][-1]


def build_base(container: Container, feature: Rootfs, roots: Store, show: Callable[[str, str], None]) -> None:
    """Build a root as far as before its steps, and keep it.

    Raises:
        HaconiwaError: it cannot be built; nothing is left of it.
    """
    from haconiwa_rootfs.provisioning.chain import changes_of
    from haconiwa_rootfs.store.trees import own

    folder = container.folder or os.getcwd()
    key = base_key(feature, folder)
    (name,) = feature.strategy
    strategy, options = strategy_of(feature.strategy)
    with roots.scratch() as scratch, roots.scratch() as changes:
        target = Target(folder, scratch, partial(show, name))
        strategy.build(options, target)
        layers: list[Path] = target.layers
        if feature.owner:
            for layer in layers:
                own(str(layer), *map(int, feature.owner.split(":")))
        if feature.postprocess:
            step = Provision("postprocess", shell=feature.postprocess, network=False)
            layers = [*layers, changes_of(step, list(map(str, layers)), changes, partial(show, step.name))]
        kept = tuple(map(roots.commit, layers))
        roots.put(Root(key, kept, time.time(), name, target.config, target.binds))
