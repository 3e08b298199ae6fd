from haconiwa_landlock import Landlock, Rule

from haconiwa_core.testing import Conformance, needs_landlock


class TestConformance(Conformance):
    section = "landlock"
    needs = (needs_landlock(6),)
    valid = (
        Landlock(read=["/"], execute=["/"], write=["/tmp"], rules=[Rule("/dev/null", ["read_file", "write_file"])]),
        Landlock(bind_tcp=[0, 80], connect_tcp=[80, 443]),
        Landlock(connect_tcp=[], scope=["signal", "abstract_unix_socket"]),
    )
