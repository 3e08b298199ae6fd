import sys

import pytest
from haconiwa_ns_net import NetNamespace

from haconiwa_core.testing import needs_root, run, started

pytestmark = needs_root

# The flags of lo, the interfaces, and whether a connection to itself succeeds.
PROBE = """
import fcntl, socket, struct
print(*(name for _, name in socket.if_nameindex()))
with socket.socket() as server, socket.socket() as client:
    request = struct.pack("16s24x", b"lo")
    print(struct.unpack_from("H", fcntl.ioctl(server, 0x8913, request), 16)[0] & 1)
    try:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
        print("connected")
    except OSError:
        print("unreachable")
"""


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        (NetNamespace(), ["lo", "1", "connected"]),
        (NetNamespace(loopback=False), ["lo", "0", "unreachable"]),
    ],
)
def test_a_network_of_its_own(feature: NetNamespace, expected: list[str]) -> None:
    outcome = run(feature, command=[sys.executable, "-I", "-c", PROBE])
    interfaces, up, connection = outcome.stdout.splitlines()
    # Kernels with tunnel drivers give every new namespace their idle interfaces, too.
    assert interfaces.split()[0] == expected[0]
    assert [up, connection] == expected[1:]


def test_one_network_for_two() -> None:
    with started(NetNamespace()) as first:
        outcome = run(NetNamespace(join=first.pid), command=[sys.executable, "-I", "-c", PROBE])
        assert outcome.stdout.splitlines()[1:] == ["1", "connected"]
