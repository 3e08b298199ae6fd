"""Who explains failures is asked when something has failed, and hides nothing."""

import sys

import pytest
from core.support import Site, in_own_places

from haconiwa_core.testing import needs_root

EXPLAINER = """
from haconiwa_core.runtime.cause import Cause

def of_step(failure):
    return Cause(f"{failure.call or 'it'} got {failure.code}", "shine")

def of_path(path, code):
    return Cause(f"{path} got {code}", "shine")
"""


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def test_what_an_explainer_says_is_told(site):
    site.install("haconiwa-lamp", EXPLAINER, group="explainers")
    done = site.haconiwa("run", "--rm", "--", "/absent")
    assert done.returncode == 127
    assert done.stderr.endswith("ENOENT (No such file or directory): it got 2; shine\n")
    site.environment["HACONIWA_STATE"] = "/proc/absent"
    done = site.haconiwa("run", "--rm", "--", "true")
    assert done.returncode == 125
    assert "No such file or directory: /proc/absent/true-" in done.stderr
    assert done.stderr.endswith(" got 2; shine\n")


@needs_root  # A policy is root's.
def test_the_core_knows_a_remedy_without_one(site):
    site.policy = '[plugins]\ndeny = ["haconiwa-doctor"]\n'
    done = site.haconiwa("run", "--rm", "--", "/absent")
    assert done.stderr.endswith("; no such file in the container, or its interpreter or loader is missing there\n")


def test_one_that_is_broken_is_named_and_hides_nothing(site):
    site.install("haconiwa-lamp", "import absent_thing", group="explainers")
    done = site.haconiwa("run", "--rm", "--", "/absent")
    assert done.returncode == 127
    assert (
        "ENOENT (No such file or directory): haconiwa-lamp, which could look why, is broken: No module" in done.stderr
    )


def test_nothing_is_imported_for_it_until_something_fails(tmp_path):
    program = "import sys; from haconiwa_core.cli.main import main; status = main({}); print(*sys.modules, sep='\\n')"

    def modules(*arguments):
        done = in_own_places([sys.executable, "-c", program.format([*arguments])], tmp_path)
        return {name for name in done.stdout.split() if name.endswith((".cause", ".remedies", ".causes"))}

    assert modules("run", "--rm", "--", "true") == set()
    assert "haconiwa_core.runtime.cause" in modules("run", "--rm", "--", "/absent")
