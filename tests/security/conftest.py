import pytest
from probe.probing import build
from system.fixtures import forget_handles, leaves_nothing, private_world, root

__all__ = ["forget_handles", "leaves_nothing", "private_world", "probe", "root"]


@pytest.fixture(scope="session")
def probe(tmp_path_factory):
    """The static probe."""
    return build(tmp_path_factory.mktemp("probe"))
