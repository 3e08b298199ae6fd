from haconiwa_lamp import Lamp

from haconiwa_core.testing import Conformance


class TestConformance(Conformance):
    section = "lamp"
    valid = (Lamp(), Lamp(mark="mark", note="on", level=5))
