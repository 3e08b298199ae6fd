"""A supervisor tells what is less than a definition asks for, with its consent."""

import resource

import pytest
from haconiwa_rlimit import Rlimit

from haconiwa_core.container import Container
from haconiwa_core.host import gather
from haconiwa_core.linux.constants import CAP_SYS_RESOURCE


@pytest.mark.skipif(gather().has_capability(CAP_SYS_RESOURCE), reason="the caller may raise every limit")
def test_it_is_an_event_and_in_the_record(house):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    house.open()
    lenient = Rlimit(nofile=hard + 1, require="best-effort")
    house.start(Container("web", ["sleep", "1000"], [lenient]), Container("other", ["sleep", "1000"]))
    told = {event["container"].partition("-")[0]: event for event in house.events() if event["event"] == "planned"}
    warning = f"rlimit.nofile: best effort: {hard} of {hard + 1}, which the caller may not raise"
    assert told["web"]["warnings"] == [warning]
    assert "warnings" not in told["other"]
    assert house.record(told["web"]["container"]).warnings == (warning,)
