"""The running process's own sets and secure bits: the one module that uses python-prctl.

python-prctl has a name "last_cap" and no CAP_CHECKPOINT_RESTORE, knows only the capabilities of the headers that it
was built with, and no ambient set. So it is asked by number, the kernel says which number is the last, and tells the
ambient set itself.

    python -m haconiwa_capabilities.running

shows them, as in a container to look at it from inside.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import prctl  # type: ignore[import-untyped]  # it has no annotations

from haconiwa_capabilities.names import SecureBit, in_order, listed
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.host import system_call


class RunningSets(NamedTuple):
    """What a process has, by the numbers of `names.Capability`."""

    bounding: tuple[int, ...]
    permitted: tuple[int, ...]
    effective: tuple[int, ...]
    inheritable: tuple[int, ...]
    ambient: tuple[int, ...]
    securebits: SecureBit


def running_sets() -> RunningSets:
    """Return what the calling process has (prctl(2), capget(2)).

    Raises:
        RuntimeError: the kernel has capabilities that python-prctl was not built for.
    """
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    if last > prctl.CAP_LAST_CAP:
        raise RuntimeError(
            f"python-prctl was built for capabilities up to {prctl.CAP_LAST_CAP}, the kernel has {last}:"
            " build it again with newer headers of libcap"
        )
    numbers = range(last + 1)
    held = prctl.get_caps((list(numbers), prctl.ALL_FLAGS))

    def having(flag: int) -> tuple[int, ...]:
        return in_order(number for number in numbers if held[flag][number])

    return RunningSets(
        in_order(number for number in numbers if prctl.capbset_read(number)),
        having(prctl.CAP_PERMITTED),
        having(prctl.CAP_EFFECTIVE),
        having(prctl.CAP_INHERITABLE),
        in_order(number for number in numbers if _is_ambient(number)),
        SecureBit(prctl.get_securebits()),
    )


def _is_ambient(number: int) -> bool:
    return bool(system_call(Call.prctl, c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_IS_SET, number, 0, 0))


def main() -> None:
    """Show the sets, one a line."""
    sets = running_sets()
    for name, value in sets._asdict().items():
        shown = value.name or "" if isinstance(value, SecureBit) else listed(value)
        sys.stdout.write(f"{name}: {shown}\n")


if __name__ == "__main__":
    main()
