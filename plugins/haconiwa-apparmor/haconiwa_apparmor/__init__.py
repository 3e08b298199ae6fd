"""The AppArmor profile under which the container's command runs (apparmor(7))."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from typing import Annotated, ClassVar, Literal

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.options import Pattern
from haconiwa_core.stages import Stage

# The kernel strips blanks at both ends, and takes no more than a page.
Profile = Annotated[str, Pattern(r"[!-~]([ -~]{0,4000}[!-~])?", "the name of a profile")]


@dataclass(frozen=True)
class AppArmor(Feature):
    """The command is executed under a profile that the host has loaded.

    Example: `AppArmor("docker-default")`.
    """

    section: ClassVar[str] = "apparmor"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.PREPARE, Stage.CONFINE)
    rootless: ClassVar[Rootless] = Rootless("yes", "root must have loaded the profile: apparmor_parser(8)")

    profile: Profile = option(MISSING, "the profile's name, as aa-status(8) lists it")
    mode: Literal["enforce", "kill", "complain"] = option(
        "enforce", "mode in which the profile must be loaded: `enforce`, `kill` or `complain`", kw_only=True
    )
