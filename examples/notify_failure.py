"""Tell somebody by HTTP that a container has failed: `haconiwa run notify_failure.py`."""

import json
from urllib.request import Request, urlopen

from haconiwa_supervision import Context

from haconiwa_core import Container

WEBHOOK = "http://127.0.0.1:9000/failures"

job = Container("job", command=["sh", "-c", "echo working; sleep 1; exit 3"])


# In a process of its own: an answer that is late, or never comes, keeps nobody waiting longer than these seconds.
@job.on("after_failure", timeout=10)
def notify(c: Context) -> None:
    told = {"container": c.name, "exit_status": c.exit_status, "reason": c.reason}
    request = Request(WEBHOOK, json.dumps(told).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=5):
        c.log.info("notified", url=WEBHOOK)
