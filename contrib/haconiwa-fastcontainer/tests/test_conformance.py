from haconiwa_fastcontainer import FastContainer, Scaling

from haconiwa_core.testing import Conformance


class TestConformance(Conformance):
    section = "fastcontainer"
    valid = (
        FastContainer(hosts=["blog.example", "*"], idle=30, most=4, least=1, concurrency=10),
        FastContainer(protocol="tcp", listen=["127.0.0.1:5432", "[::1]:5432"], port=0, life=0, idle=0),
        FastContainer(scaling=Scaling(load=0.5, calm=0.1, calm_for=5.0), front="/run/front"),
    )
