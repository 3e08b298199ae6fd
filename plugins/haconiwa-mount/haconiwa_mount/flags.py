"""docker's flags `--volume`, `--mount` and `--tmpfs`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_core.cli.flags import Flag
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_mount import Bind, Mount, Tmpfs

SECTION = Mount.section
FLAGS = {
    "volume": Flag("one more `bind`, which can be written without `:ro`", "SOURCE:TARGET[:ro]", "v"),
    "mount": Flag("one more `bind` or `tmpfs`", "type=bind|tmpfs,KEY=VALUE..."),
    "tmpfs": Flag("one more `tmpfs`, from which nothing is executed without `exec`", "TARGET[:OPTION,...]"),
}

_STICKY = 0o1777
_TMPFS = {"rw", "ro", "exec", "noexec", "suid", "nosuid", "dev", "nodev"}
_KEYS = {
    "bind": {"type", "source", "src", "target", "dst", "destination", "readonly", "ro"},
    "tmpfs": {"type", "target", "dst", "destination", "tmpfs-size", "tmpfs-mode", "readonly", "ro"},
}


def options(given: Mapping[str, Sequence[str]], section: Mount | None) -> dict[str, Any]:
    """Add to the section's own mounts; a relative source starts where the caller is."""
    made: list[Bind | Tmpfs] = []
    problems: list[Problem] = []
    for flag, read in (("volume", _volume), ("mount", _mount), ("tmpfs", _tmpfs)):
        for text in given.get(flag, ()):
            try:
                made.append(read(text))
            except ValueError as error:
                problems.append(Problem(f"--{flag} {text}: {error}"))
    if problems:
        raise DefinitionError(problems)
    present = section or Mount()
    changed: dict[str, Any] = {}
    for key, kind in (("bind", Bind), ("tmpfs", Tmpfs)):
        if more := [item for item in made if isinstance(item, kind)]:
            changed[key] = (*getattr(present, key), *more)
    return changed


def _volume(text: str) -> Bind:
    source, _, rest = text.partition(":")
    target, _, words = rest.partition(":")
    if not target:
        raise ValueError("must be SOURCE:TARGET or SOURCE:TARGET:ro")
    for word in filter(None, words.split(",")):
        if word not in ("ro", "rw"):
            raise ValueError(f"{word!r} is not understood; only ro and rw are")
    return _bind(source, target, read_only="ro" in words.split(","))


def _bind(source: str, target: str, *, read_only: bool) -> Bind:
    # docker, too, takes a single word for the name of a volume.
    if not source.startswith(("/", ".")):
        raise ValueError(f"there are no named volumes; write ./{source} for a directory")
    return Bind(os.path.abspath(source), target, read_only=read_only)


def _mount(text: str) -> Bind | Tmpfs:
    pairs = dict(_pair(item) for item in text.split(","))
    kind = pairs.get("type", "volume")
    if kind not in _KEYS:
        raise ValueError(f"type={kind} is not understood; only bind and tmpfs are")
    if unknown := sorted(pairs.keys() - _KEYS[kind]):
        raise ValueError(f"{unknown[0]!r} is not understood with type={kind}")
    read_only = any(pairs.get(key, "false") in ("", "true", "1") for key in ("readonly", "ro"))
    target = next((pairs[key] for key in ("target", "dst", "destination") if key in pairs), "")
    source = next((pairs[key] for key in ("source", "src") if key in pairs), "")
    if not target or (kind == "bind" and not source):
        raise ValueError("needs a target" if not target else "needs a source")
    if kind == "bind":
        return _bind(source, target, read_only=read_only)
    return _new(target, pairs.get("tmpfs-size"), pairs.get("tmpfs-mode"), read_only=read_only)


def _pair(item: str) -> tuple[str, str]:
    key, _, value = item.partition("=")
    return key, value


def _tmpfs(text: str) -> Tmpfs:
    target, _, rest = text.partition(":")
    pairs = dict(_pair(item) for item in filter(None, rest.split(",")))
    if unknown := sorted(pairs.keys() - _TMPFS - {"size", "mode"}):
        raise ValueError(f"{unknown[0]!r} is not understood")
    return _new(
        target,
        pairs.get("size"),
        pairs.get("mode"),
        read_only="ro" in pairs,
        noexec="exec" not in pairs,
        nosuid="suid" not in pairs,
        nodev="dev" not in pairs,
    )


def _new(target: str, size: str | None, mode: str | None, *, noexec: bool = True, **more: bool) -> Tmpfs:
    """Return a file system with docker's defaults."""
    try:
        bits = int(mode, 8) if mode else _STICKY
    except ValueError:
        raise ValueError(f"the mode {mode!r} is no octal number") from None
    return Tmpfs(target, size=size, mode=bits, noexec=noexec, **more)
