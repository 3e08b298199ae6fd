import shutil
import subprocess
from collections.abc import Iterator

import pytest

PROFILES = """
profile haconiwa-test {
    file,
    capability,
    network,
    signal,
    deny /**/forbidden r,
}
profile haconiwa-test-complain flags=(complain) {
    file,
}
"""


@pytest.fixture(scope="session")
def profiles() -> Iterator[tuple[str, str]]:
    """Two profiles that are loaded: one that denies reading what is called forbidden, and one in complain mode."""
    if not shutil.which("apparmor_parser"):
        pytest.skip("apparmor_parser is not installed")

    def parser(option: str) -> None:
        command = ["apparmor_parser", option, "--skip-cache"]
        subprocess.run(command, input=PROFILES, text=True, check=True, capture_output=True)

    parser("--replace")
    yield "haconiwa-test", "haconiwa-test-complain"
    parser("--remove")
