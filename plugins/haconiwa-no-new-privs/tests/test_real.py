import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from haconiwa_no_new_privs import NoNewPrivs

from haconiwa_core.feature import Feature
from haconiwa_core.testing import Outcome, needs_program, needs_root, run, run_attached, started

pytestmark = needs_root

NOBODY = 65534
FEATURES = {"without": (), "with": (NoNewPrivs(),)}

# A program that keeps capabilities in between, as setpriv does, would have had them before.
AS_NOBODY = [
    *(sys.executable, "-I", "-c"),
    f"import os, sys; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY}); os.execv(sys.argv[1], sys.argv[1:])",
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, as pytest's own are private, and where the bits mean something."""
    parents = [path for path in (tempfile.gettempdir(), "/var/tmp") if not os.statvfs(path).f_flag & os.ST_NOSUID]
    if not parents:
        pytest.skip("the folders for temporary files are mounted nosuid")
    with tempfile.TemporaryDirectory(dir=parents[0]) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def in_a_container(how: str, features: tuple[Feature, ...], *command: str) -> Outcome:
    if how == "start":
        return run(*features, command=command)
    with started(*features) as running:
        return run_attached(running, *features, command=command)


@pytest.mark.parametrize("how", ["start", "attach"])
@pytest.mark.parametrize(("given", "ids"), [("without", [0, 0]), ("with", [NOBODY, NOBODY])])
def test_a_set_user_id_program_of_root(folder: Path, how: str, given: str, ids: list[int]) -> None:
    program = shutil.copy(shutil.which("id") or "", folder)
    Path(program).chmod(0o6755)
    found = [in_a_container(how, FEATURES[given], *AS_NOBODY, program, which).stdout for which in ("-u", "-g")]
    assert list(map(int, found)) == ids


@needs_program("setcap")
@pytest.mark.parametrize("how", ["start", "attach"])
@pytest.mark.parametrize(("given", "effective"), [("without", 1 << 10), ("with", 0)])
def test_a_program_with_file_capabilities(folder: Path, how: str, given: str, effective: int) -> None:
    program = shutil.copy(shutil.which("cat") or "", folder)
    assert run(command=["setcap", "cap_net_bind_service=ep", program]).exit_status == 0
    outcome = in_a_container(how, FEATURES[given], *AS_NOBODY, program, "/proc/self/status")
    (line,) = [line for line in outcome.stdout.splitlines() if line.startswith("CapEff:")]
    assert int(line.split()[1], 16) == effective


@pytest.mark.parametrize("how", ["start", "attach"])
@pytest.mark.parametrize(("given", "bit"), [("without", "0"), ("with", "1")])
def test_descendants_have_it_too(how: str, given: str, bit: str) -> None:
    script = "(grep NoNewPrivs /proc/self/status); true"
    assert in_a_container(how, FEATURES[given], "sh", "-c", script).stdout.split() == ["NoNewPrivs:", bit]


def test_it_takes_no_rights_away() -> None:
    command = ["grep", "CapEff", "/proc/self/status"]
    assert run(NoNewPrivs(), command=command).stdout == run(command=command).stdout
