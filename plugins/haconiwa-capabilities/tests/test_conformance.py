from haconiwa_capabilities import Capabilities

from haconiwa_core.testing import Conformance


class TestConformance(Conformance):
    section = "capabilities"
    valid = (
        Capabilities(),
        Capabilities(all=True, drop=["mknod"]),
        Capabilities(reset=True),
        Capabilities(
            keep=["CAP_CHOWN", "net_raw", "Sys_Nice"],
            ambient=["chown"],
            inheritable=["net_raw"],
            securebits=["noroot", "no_setuid_fixup_locked", "no_cap_ambient_raise"],
        ),
    )
