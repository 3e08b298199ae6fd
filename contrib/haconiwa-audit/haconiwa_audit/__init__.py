"""What is weak in a definition, said from its plan alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.options import Pattern
from haconiwa_core.stages import Stage

Code = Annotated[str, Pattern(r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)*", 'the code of a finding, such as "HOST-NETWORK"')]


@dataclass(frozen=True, kw_only=True)
class Audit(Feature):
    """What `haconiwa audit` need not tell of this container, because its author has decided for it.

    It changes nothing in the container.

    Example: `Audit(accept=["HOST-NETWORK"])`.
    """

    section: ClassVar[str] = "audit"
    stages: ClassVar[tuple[Stage, ...]] = ()
    rootless: ClassVar[Rootless] = Rootless("yes")

    accept: Sequence[Code] = option((), "codes of findings that are meant to be")
