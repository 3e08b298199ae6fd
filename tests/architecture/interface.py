"""What others build on, read from the sources alone.

`PYTHONPATH=tests python -m architecture.interface` writes interface.json, which is the interface of the tree;
released.json is that of the last release. Fragments of the kind `api` name what differs.
"""

import ast
import json
import re
from contextlib import suppress
from pathlib import Path

import griffe
from architecture.tree import PROJECTS, ROOT

GOLDEN = Path(__file__).with_name("interface.json")
RELEASED = Path(__file__).with_name("released.json")

PACKAGES = tuple(folder.name.replace("-", "_") for folder in PROJECTS)
"""What distributions beside the core install: most hold a feature, whose options are everybody's."""

PUBLIC = (
    "haconiwa_core",
    "haconiwa_core.cli.arguments",
    "haconiwa_core.cli.commands.Command",
    "haconiwa_core.cli.flags.Flag",
    "haconiwa_core.cli.flags.Flags",
    "haconiwa_core.cli.namespaces",
    "haconiwa_core.cli.output",
    "haconiwa_core.cli.selection",
    "haconiwa_core.cli.surroundings",
    "haconiwa_core.container",
    "haconiwa_core.diagnosis",
    "haconiwa_core.errors",
    "haconiwa_core.facts",
    "haconiwa_core.feature",
    "haconiwa_core.finding",
    "haconiwa_core.hooks.declaring",
    "haconiwa_core.hooks.events",
    "haconiwa_core.hooks.hook",
    "haconiwa_core.host",
    "haconiwa_core.isolation.confined",
    "haconiwa_core.isolation.kernel",
    "haconiwa_core.isolation.matrix",
    "haconiwa_core.isolation.rows",
    "haconiwa_core.linux",
    "haconiwa_core.linux.calls",
    "haconiwa_core.linux.constants",
    "haconiwa_core.linux.host",
    "haconiwa_core.linux.vocabulary",
    "haconiwa_core.log",
    "haconiwa_core.namespace",
    "haconiwa_core.operation",
    "haconiwa_core.options",
    "haconiwa_core.planning.context",
    "haconiwa_core.planning.plan",
    "haconiwa_core.planning.planner",
    "haconiwa_core.plugins.loading",
    "haconiwa_core.plugins.observers",
    "haconiwa_core.runtime.cause",
    "haconiwa_core.runtime.store",
    "haconiwa_core.stages",
    "haconiwa_core.steps",
    "haconiwa_core.testing",
    "haconiwa_cgroup.controller",
    "haconiwa_cgroup.files",
    "haconiwa_fastcontainer.state",
    "haconiwa_rootfs.provisioning",
    "haconiwa_rootfs.strategies.debootstrap",
    "haconiwa_rootfs.strategies.git",
    "haconiwa_rootfs.strategies.host",
    "haconiwa_rootfs.strategies.mmdebstrap",
    "haconiwa_rootfs.strategies.oci",
    "haconiwa_rootfs.strategies.python",
    "haconiwa_rootfs.strategies.shell",
    "haconiwa_rootfs.strategies.tar",
    "haconiwa_rootfs.strategy",
    "haconiwa_seccomp.notification",
)
"""The other modules, and one class, that others may import; docs/reference/compatibility.md says what each is for."""


def interface(root):
    """Return the interface of the tree below a folder: groups of entry points, hooks, and what is public."""
    folders = [root / folder.relative_to(ROOT) for folder in PROJECTS]
    paths = [root, *(folder for folder in folders if folder.exists())]
    loader = griffe.GriffeLoader(search_paths=paths, allow_inspection=False)
    for package in ("haconiwa_core", *PACKAGES):
        with suppress(ModuleNotFoundError):  # It is newer than that tree.
            loader.load(package, try_relative_path=False)
    found = loader.modules_collection
    hooks = found["haconiwa_core.plugins.hookspecs"].functions
    return {
        "groups": sorted(_groups(found)),
        "hooks": {name: _signature(hooks[name]) for name in sorted(hooks)},
        "names": {path: _described(module) for path, module in _public(found)},
    }


def _public(found):
    for path in (*PUBLIC, *PACKAGES):
        with suppress(KeyError):  # As above.
            yield path, found[path]


def _groups(found):
    api = ast.literal_eval(str(found["haconiwa_core.plugins.discovery.API"].value))
    for package in found.members.values():
        for module in _modules(package):
            group = module.members.get("GROUP")
            if group and not group.is_alias:
                yield ast.literal_eval(str(group.value).removeprefix("f").replace("{API}", api))


def _modules(module):
    yield module
    for each in module.modules.values():
        if not each.is_alias:
            yield from _modules(each)


def _names(module):
    names = module.exports or [name for name, member in module.members.items() if _is_public(name, member, module)]
    return {name: _described(module.members[name]) for name in sorted(names)}


def _is_public(name, member, module):
    if name.startswith("_"):
        return False
    if member.is_alias:  # A package hands on what its own modules define.
        return module.is_init_module and member.target_path.startswith(f"{module.path}.")
    return not member.is_module


def _described(member):
    if member.is_module:
        return _names(member)
    if member.is_alias and member.target.module.path in PUBLIC:
        return member.target_path
    if member.is_function:
        return _signature(member)
    if not member.is_class:
        return _attribute(member)
    inside = {each.name: _described(each) for each in _members(member) if _is_visible(each)}
    return {"bases": [str(base) for base in member.bases], **inside}


def _members(kind):
    for base in kind.resolved_bases:
        if not _is_listed(base):
            yield from _members(base)
    yield from kind.members.values()


def _is_listed(kind):
    """Whether a class stands in the interface by itself; the members of others count as those of their subclasses."""
    modules = [kind.modules_collection[path] for path in PUBLIC if kind.path.startswith(f"{path}.")]
    return any(kind.name in module.members for module in modules)


def _is_visible(member):
    # What dataclasses make of their fields, which stands nowhere, says no more than these.
    return not member.name.startswith("_") or (member.name == "__init__" and member.lineno > 0)


def _signature(function):
    return function.signature(return_type=True).removeprefix(function.name)


def _attribute(attribute):
    if attribute.annotation is None:
        return str(attribute.value) if {"module-attribute", "class-attribute"} & attribute.labels else "..."
    return f"{attribute.annotation}{'' if attribute.value is None else ' = ...'}"


def encoded(found):
    """Return an interface as its file has it; the order of what a class holds is part of it."""
    return json.dumps(found, indent=2) + "\n"


def unannounced(old, new, fragments):
    """Return the qualified names of what differs between two interfaces, but those that fragments have in backticks."""
    was, now = _flat(old), _flat(new)
    differing = {name for name in was.keys() | now.keys() if encoded(was.get(name)) != encoded(now.get(name))}
    return differing - {name for file in fragments for name in re.findall(r"`([^`\s]+)`", file.read_text("utf-8"))}


def _flat(found):
    names = {f"{path}.{name}": what for path, inside in found["names"].items() for name, what in inside.items()}
    return names | found["hooks"] | dict.fromkeys(found["groups"], "a group of entry points")


if __name__ == "__main__":
    GOLDEN.write_text(encoded(interface(ROOT)), "utf-8")
