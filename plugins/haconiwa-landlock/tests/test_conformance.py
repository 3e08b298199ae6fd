from pathlib import Path

from haconiwa_landlock import Landlock, Rule

from haconiwa_core.testing import Conformance, needs_landlock, needs_root


class TestConformance(Conformance):
    section = "landlock"
    valid = (
        Landlock(read=["/"], execute=["/"], write=["/tmp"], rules=[Rule("/dev/null", ["read_file", "write_file"])]),
        Landlock(bind_tcp=[0, 80], connect_tcp=[80, 443]),
        Landlock(connect_tcp=[], scope=["signal", "abstract_unix_socket"]),
    )

    @needs_root
    @needs_landlock(6)
    def test_undo_is_complete_and_idempotent(self, tmp_path: Path) -> None:
        super().test_undo_is_complete_and_idempotent(tmp_path)
