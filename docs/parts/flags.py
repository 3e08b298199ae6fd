"""The part about flags: what each means, as the modules of the plugins say."""

from __future__ import annotations

from importlib import import_module

from haconiwa_core.cli.flags import GROUP, Flags
from haconiwa_core.plugins.catalogue import flag_distributions, refused_flags
from haconiwa_core.plugins.entrypoints import claims
from parts import table


def flags() -> str:
    """Tell of each flag what it sets, and of which distribution it is."""
    rows = []
    for name, distribution in flag_distributions().items():
        module: Flags = import_module(claims(GROUP, name)[0].module)
        if flag := module.FLAGS.get(name):
            word, _, value = name.partition(".")
            letter = f"`-{flag.letter}`, " if flag.letter else ""
            shown = f"--{word} {value}={flag.metavar}" if value else f"--{word} {flag.metavar}".rstrip()
            shown = shown.replace("|", r"\|")  # Else the cell would end there.
            rows.append((f"{letter}`{shown}`", f"`{module.SECTION}`: {flag.means}", distribution))
    return table(("flag", "section, and what is set in it", "distribution"), rows)


def refused() -> str:
    """Tell of each flag that is not taken what to do instead."""
    rows = [(f"`-{name}`" if len(name) == 1 else f"`--{name}`", text) for name, text in refused_flags().items()]
    return table(("not taken", "instead"), rows)
