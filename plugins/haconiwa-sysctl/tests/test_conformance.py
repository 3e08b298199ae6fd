from haconiwa_sysctl import Sysctl

from haconiwa_core.facts import Namespace
from haconiwa_core.linux.constants import CLONE_NEWNET
from haconiwa_core.testing import Conformance


class TestConformance(Conformance):
    section = "sysctl"
    facts = (Namespace("net", CLONE_NEWNET),)
    valid = (Sysctl({}), Sysctl({"net.ipv4.ip_forward": 1}), Sysctl({"net/ipv4/ip_forward": "0"}))
