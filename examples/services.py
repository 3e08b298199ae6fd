"""Two services, of which one needs the other: `haconiwa run services.py`.

`web` is started when `db` is ready, and is ready itself when it answers. Each is started again when it has failed.
"""

from pathlib import Path

from haconiwa_ns_pid import PidNamespace
from haconiwa_supervision import Ready, Supervision

from haconiwa_core import Container

FOLDER = Path(__file__).with_name("services")
DB_PORT, WEB_PORT = 15432, 18080

db = Container(
    "db",
    command=["python3", str(FOLDER / "db.py"), str(DB_PORT)],
    features=[
        PidNamespace(),
        Supervision(ready=Ready(port=DB_PORT), restart="on-failure"),
    ],
)

web = Container(
    "web",
    command=["python3", str(FOLDER / "web.py"), str(WEB_PORT), str(DB_PORT)],
    features=[
        PidNamespace(),
        Supervision(ready=Ready(http=f"http://127.0.0.1:{WEB_PORT}/"), depends=("db",), restart="on-failure"),
    ],
)
