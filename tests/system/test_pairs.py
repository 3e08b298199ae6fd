"""Every feature alone and every pair: it starts and its probes pass inside, or planning refuses it."""

from itertools import combinations

import pytest
from system.features import MARK, NAMES, feature, probe, unavailable
from system.world import libc, planned, shell

from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError

GROUPS = [(name,) for name in NAMES] + list(combinations(NAMES, 2))

NEEDS = {"mount": "ns-mount", "sysctl": "ns-net"}
REFUSED = {group: need for group in GROUPS for name, need in NEEDS.items() if name in group and need not in group}
"""What is refused, and what the refusal tells to add."""
KEEP_NO_RIGHTS = {"capabilities", "credentials"}
REFUSED |= {group: "no-new-privs" for group in GROUPS if "landlock" in group and KEEP_NO_RIGHTS & set(group)}
REFUSED = {group: need for group, need in REFUSED.items() if "hardened" not in group}


def skip_unavailable(*names):
    for name, reason in unavailable().items():
        if name in names:
            pytest.skip(reason)


@pytest.fixture
def marked(root):
    (root / MARK).touch()
    # The probes need a /proc whatever the features are; this one is seen by a plain chroot too.
    libc("mount", b"/proc", str(root / "proc").encode(), None, 0x1000 | 0x4000, None)
    return root


@pytest.mark.parametrize("group", GROUPS, ids="+".join)
def test_starts_or_is_refused(group, marked, leaves_nothing):
    skip_unavailable(*group)
    features = [feature(name, marked) for name in group]
    if group in REFUSED:
        with pytest.raises(DefinitionError, match=f"add {REFUSED[group]}"):
            planned(Container("probe", ["/bin/true"], features))
        return
    for name in group:
        result = shell(probe(name), features)
        assert (result.status, result.output) == (0, ""), name


@pytest.mark.parametrize("name", NAMES)
def test_the_probe_tells_the_difference(name, marked):
    skip_unavailable(name)
    others = [feature(NEEDS[name], marked)] if name in NEEDS else []
    assert shell(probe(name), others).status == 1


@pytest.mark.parametrize("shown", ["pid", "net", "ipc"])
def test_fresh_filesystems_of_foreign_namespaces_are_refused(shown, root):
    from haconiwa_mount import Mount

    option = {"pid": "proc", "net": "sysfs", "ipc": "mqueue"}[shown]
    target = {"pid": "/proc", "net": "/sys", "ipc": "/dev/mqueue"}[shown]
    names = ["ns-user", "ns-mount", "chroot"]
    features = [*(feature(name, root) for name in names), Mount(**{option: True, "dev": option == "mqueue"})]
    with pytest.raises(DefinitionError, match=f"add ns-{shown}"):
        planned(Container("probe", ["/bin/true"], features))
    result = shell(f"test -d {target}", [*features, feature(f"ns-{shown}", root)])
    assert (result.status, result.output) == (0, "")
