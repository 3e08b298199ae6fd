import pytest
from system.world import HANDLES, everything, ran

from haconiwa_core.container import Container
from haconiwa_core.linux import remove_handle


@pytest.mark.parametrize("shifted", [False, True], ids=["root", "shifted"])
@pytest.mark.parametrize("keep", [False, True], ids=["", "keep"])
def test_all_features_together(root, shifted, keep, leaves_nothing):
    result = ran(Container("all", ["/bin/sh", "-c", "id -u; hostname"], everything(root, shifted=shifted, keep=keep)))
    assert result.status == 0
    assert result.output.split() == ["1000", "inside"]
    if keep:
        for handle in HANDLES:
            remove_handle(handle)
