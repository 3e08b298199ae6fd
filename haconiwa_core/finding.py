"""What an audit says of a plan."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """Something in a plan that makes a way out of the container, or to others' harm, easier.

    Args:
        code: stable, by which a definition can accept the finding: `CHROOT-ESCAPE`.
        what: is there, or is missing.
        why: it matters: the class of escape or harm.
        remedy: the feature or option to add.
        section: the feature that it is about, if any.
    """

    code: str
    what: str
    why: str
    remedy: str
    section: str = ""
