"""The screen of `haconiwa fastcontainer status`: a line for each service, and one for each instance."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace as Options
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haconiwa_runtime.client import EndedError, connect

from haconiwa_core.cli.arguments import add_format
from haconiwa_core.errors import HaconiwaError
from haconiwa_core.runtime.store import Store
from haconiwa_fastcontainer.keeper import FOLDER_NAME

if TYPE_CHECKING:
    from haconiwa_display import Row

_HEADER = ("SERVICE", "INSTANCES", "IN FLIGHT", "WAITING", "STARTS", "FAILED", "REFUSED", "HOST", "AGE", "STATE")
_PERIOD = 1.0
_PATIENCE = 60.0
_POLL = 0.1


def configure_status(parser: ArgumentParser) -> None:
    """Add the arguments of `status`."""
    parser.add_argument("--once", action="store_true", help="print it once, and do not go on")
    add_format(parser)


def ask(do: str, **what: Any) -> Any:
    """Ask the front of the state directory.

    Raises:
        HaconiwaError: none runs, or what it answers.
    """
    connection = connect(Path(Store().directory, FOLDER_NAME, "control"))
    if connection is None:
        raise HaconiwaError("no front serves; `haconiwa fastcontainer serve FILE...` is one")
    with connection:
        return connection.ask(do, **what).content["value"]


def show(options: Options) -> int:
    """Show the services until interrupted, or once; return 0."""
    if options.format == "json":
        from haconiwa_core.cli.output import print_json

        print_json(ask("status"))
        return 0
    from haconiwa_display import live, print_table

    if options.once:
        print_table(_HEADER, _rows(ask("status")))
    else:
        try:
            live(_HEADER, _looks())
        except KeyboardInterrupt:
            return 0
    return 0


def reload() -> int:
    """Have another front take the place of the present one, with the definitions as they are now; return 0.

    Raises:
        HaconiwaError: none runs, or the other one has not begun to serve.
    """
    present = ask("status")["pid"]
    ask("reload")
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            found = ask("reloaded")
        except EndedError:
            found = None
        if found and found["pid"] != present:
            return 0
        if found and found["failed"]:
            raise HaconiwaError("the present front goes on: it has told why the other one could not begin")
        time.sleep(_POLL)
    raise HaconiwaError(f"no other front has begun to serve within {_PATIENCE:g} s")


def _looks() -> Iterator[Sequence[Row]]:
    while True:
        yield _rows(ask("status"))
        time.sleep(_PERIOD)


def _rows(status: Mapping[str, Any]) -> list[Row]:
    return [row for service in status["services"] for row in _of_service(service)]


def _of_service(service: Mapping[str, Any]) -> Iterator[Row]:
    from haconiwa_display import Row

    instances = service["instances"]
    running = sum(each["phase"] == "running" for each in instances)
    numbers = [service[key] for key in ("in_flight", "waiting", "starts", "failures", "refused")]
    cells = (service["name"], f"{running}/{service['most']}", *map(str, numbers), "", "")
    if service["failures_in_a_row"]:
        yield Row((*cells, f"failing: {service['reason']}"), "bad")
    else:
        yield Row((*cells, "running"), "good") if running else Row((*cells, "asleep"), "weak")
    for each in sorted(instances, key=lambda item: item["since"]):
        phase = f"{each['phase']}, outdated" if each["outdated"] else each["phase"]
        age = f"{max(0.0, time.time() - each['since']):.0f}s"
        yield Row((f"  {each['name']}", "", str(each["in_flight"]), "", "", "", "", each["host"], age, phase), "")
