from haconiwa_network import Network

from haconiwa_core.facts import Namespace
from haconiwa_core.linux.constants import CLONE_NEWNET, CLONE_NEWNS
from haconiwa_core.testing import Conformance, FakeKernel


class KernelWithFiles(FakeKernel):
    """What the host has opened can be mounted."""

    def _move_mount(self, source: int, path: int, directory: int, target: int, flags: int) -> None:
        if self.descriptor(source).kind == "file":
            self.need_rights("mnt")
        else:
            super()._move_mount(source, path, directory, target, flags)


class TestConformance(Conformance):
    section = "network"
    facts = (Namespace("net", CLONE_NEWNET), Namespace("mnt", CLONE_NEWNS))
    valid = (
        Network(),
        Network(subnet="", subnet6="fd00:68::/64", address6="fd00:68::5", mtu=1400),
        Network(dns=["192.0.2.53"], hosts=["db:10.209.0.2"]),
    )
    kernel = KernelWithFiles
