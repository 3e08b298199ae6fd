"""A lamp on the host that is lit while the container runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from haconiwa_core import Feature, Rootless, Stage, option
from haconiwa_core.options import HostPath, Range


@dataclass(frozen=True, kw_only=True)
class Lamp(Feature):
    """A file of the host tells that the container runs."""

    section: ClassVar[str] = "lamp"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.PREPARE, Stage.ADOPT, Stage.LIMITS)
    rootless: ClassVar[Rootless] = Rootless("yes")

    mark: HostPath | None = option(None, "file that exists while the container does")
    note: str | None = option(None, "what the file says")
    level: Annotated[int, Range(0, 0o777)] = option(0o022, "file mode mask")
