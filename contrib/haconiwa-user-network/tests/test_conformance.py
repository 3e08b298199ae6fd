import errno

from haconiwa_user_network import UserNetwork

from haconiwa_core.facts import Namespace
from haconiwa_core.linux.constants import CLONE_NEWNET, CLONE_NEWNS
from haconiwa_core.testing import Conformance, FakeKernel, needs_program


class KernelWithFiles(FakeKernel):
    """Modes of open files are changed as they are asked to be."""

    def _fchmod(self, descriptor: int, _mode: int) -> int:
        return 0 if descriptor in self.descriptors else -errno.EBADF


class TestConformance(Conformance):
    section = "user-network"
    facts = (Namespace("net", CLONE_NEWNET), Namespace("mnt", CLONE_NEWNS))
    # pasta needs a user namespace with ids, which is another feature's.
    valid = (
        UserNetwork(),
        UserNetwork(helper="slirp4netns", dns=[], ports=["127.0.0.1:18766:80", "18766:53/udp"]),
        UserNetwork(subnet="10.7.0.0/16", mtu=1500, dns=["192.0.2.53"], hosts=["db:10.7.0.2"], host_loopback=True),
    )
    kernel = KernelWithFiles
    needs = (needs_program("slirp4netns"),)
