"""In a hardened container nothing is open: to its first process, and to those that are put into it."""

import os
from pathlib import Path

import pytest
from haconiwa_hardened import Hardened
from probe.probing import IDS, block_device, entering, hardened, install, opened, probed, starting, waiting
from system.world import PLUGINS, planned

from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError
from haconiwa_core.host import gather

PARTS = sorted(part.section for part in PLUGINS.expand(Hardened(root="/")))
NEEDED_BY_OTHERS = ("ns-mount", "ns-pid")


@pytest.mark.parametrize("ids", [IDS, "host"], ids=["shifted", "host"])
@pytest.mark.parametrize("user", [0, 1000])
@pytest.mark.parametrize("entry", ["start", "attach"])
@pytest.mark.parametrize("launcher", ["direct", "zygote", "helper"])
def test_nothing_is_open(probe, root, tmp_path, ids, user, entry, launcher, leaves_nothing):
    install(probe, root, 0 if ids == "host" else ids)
    features = hardened(root, ids=ids, user=user)
    if entry == "start":
        findings = probed(tmp_path, starting(features, launcher=launcher))
    else:
        with waiting(features) as running:
            findings = probed(tmp_path, entering(running, features, launcher=launcher))
    assert findings
    assert opened(findings) == ({"namespace.user"} if ids == "host" else set())
    # Nothing that is there is passed over. The container has no /sys.
    paths = {name: name.partition(".")[2] for name in findings if "./" in name}
    absent = {name for name, path in paths.items() if path.startswith("/sys") or not os.path.exists(path)}
    if not any(tree.version == 1 and "pids" in tree.controllers for tree in gather().cgroups):
        absent |= {"escape.mount-cgroup", "escape.release-agent"}
    if not block_device():
        absent.add("escape.block-device")
    if user == 0:
        absent.add("escape.become-root")
    assert {name for name, finding in findings.items() if finding.verdict == "skip"} <= absent


@pytest.mark.parametrize("section", PARTS)
def test_each_part_is_needed(probe, root, tmp_path, section):
    """Without it something is open, or others say that they need it."""
    (feature,) = hardened(root)
    parts = [part for part in PLUGINS.expand(feature) if part.section != section]
    if section in NEEDED_BY_OTHERS:
        with pytest.raises(DefinitionError, match=f"add {section}"):
            planned(Container("probe", ["/probe"], parts))
        return
    place = Path("/run") if section == "chroot" else root
    install(probe, place, IDS)
    program = "/run/probe" if section == "chroot" else "/probe"
    assert opened(probed(tmp_path, starting(parts, program)))
