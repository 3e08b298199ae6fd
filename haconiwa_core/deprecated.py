"""All of the public interface that is deprecated, each with the release that removes it.

Each is a constant, to be warned with: `warnings.warn(deprecated.NAME, stacklevel=2)`, or as an argument of a hook
`hookspec(warn_on_impl_args={"argument": deprecated.NAME})`. docs/reference/compatibility.md tells
how something gets here.
"""


class Deprecated(DeprecationWarning):
    """Something is still there, and will not stay.

    Args:
        what: the name or argument, as it is written where it is used.
        removal: the release of haconiwa-core that removes it, such as "0.3.0"; no release from then on has it.
        instead: what to do.
    """

    def __init__(self, what: str, removal: str, instead: str) -> None:
        super().__init__(f"{what} is deprecated and leaves in haconiwa-core {removal}; {instead}")
        self.removal = removal
