"""What every version of the interface can do, on whatever kernel runs here."""

from pathlib import Path

import pytest
from haconiwa_landlock import Landlock

from haconiwa_core.errors import DefinitionError
from haconiwa_core.host import gather
from haconiwa_core.testing import needs_landlock, needs_root, run

pytestmark = [needs_root, needs_landlock(1)]

SINCE = {"truncate": 3, "ioctl_dev": 5}
NEWER = [right for right, since in SINCE.items() if since > gather().landlock]


def test_what_the_kernel_cannot_deny_is_told() -> None:
    section = Landlock(read=["/"], execute=["/"])
    if not NEWER:
        assert run(section, command=["true"]).exit_status == 0
        return
    with pytest.raises(DefinitionError) as caught:
        run(section, command=["true"])
    assert [problem.hint for problem in caught.value.problems] == [
        f'add "{right}" to allow it everywhere' for right in NEWER
    ]


def test_the_rest_is_denied(tmp_path: Path) -> None:
    section = Landlock(read=["/"], execute=["/"], unrestricted=NEWER)
    file = tmp_path / "file"
    file.write_text("content")
    assert run(section, command=["cat", str(file)]).stdout == "content"
    for command in (["touch", str(tmp_path / "new")], ["rm", str(file)], ["mkdir", str(tmp_path / "folder")]):
        assert run(section, command=command).exit_status != 0
    assert list(tmp_path.iterdir()) == [file]
    assert run(command=["rm", str(file)]).exit_status == 0
