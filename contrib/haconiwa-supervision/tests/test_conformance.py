from haconiwa_supervision import Ready, Supervision

from haconiwa_core.testing import Conformance


class TestConformance(Conformance):
    section = "supervision"
    valid = (
        Supervision(),
        Supervision(ready=Ready(port=80, http="http://127.0.0.1/", timeout=5), restart="on-failure", log_size=4096),
    )
