"""What the tests of the launcher share."""

import os
import time
from pathlib import Path

import pytest


@pytest.fixture
def descriptors_at_rest():
    """Return the descriptors of a launcher that waits for its next request.

    It answers before it closes what came with a request.
    """

    def descriptors(pid):
        while "State:\tS" not in Path(f"/proc/{pid}/status").read_text():
            time.sleep(0.001)
        return sorted(os.listdir(f"/proc/{pid}/fd"))

    return descriptors
