from haconiwa_scheduling import Scheduling

from haconiwa_core.testing import Conformance


class TestConformance(Conformance):
    section = "scheduling"
    valid = (
        Scheduling(),
        Scheduling(nice=5, affinity=[0], ioprio="best-effort", oom_score_adj=500),
        Scheduling(policy="batch", nice=19, affinity="0", ioprio="idle"),
        Scheduling(policy="idle", ioprio="realtime", ioprio_level=0),
        Scheduling(policy="rr", priority=1, oom_score_adj=1000),
        Scheduling(policy="deadline", runtime=1_000_000, deadline=10_000_000),
    )
