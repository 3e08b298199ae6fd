"""What a run has shown, as data: what is drawn of it."""

import json
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from math import ceil
from typing import Any, NamedTuple

from front import Event
from traffic import WAVES
from watching import Sample

_MARGIN = 0.05
"""Seconds by which a start may seem to be earlier than the request that it was for."""


class Answer(NamedTuple):
    """What a request got.

    Args:
        at: seconds after the beginning at which it was sent.
        tenant: that was asked.
        seconds: until the first bytes of the answer.
        is_cold: whether it waited until a container was started; None where nobody tells.
        fault: what was wrong with the answer; "" if nothing was.
        failed: name of the container that could not be started.
    """

    at: float
    tenant: str
    seconds: float
    is_cold: bool | None
    fault: str = ""
    failed: str = ""


def results(
    began: float,
    seconds: float,
    answers: Sequence[Answer],
    events: Sequence[Event],
    samples: Sequence[tuple[float, Sample]],
    command: str,
) -> dict[str, Any]:
    """Return the data of a run.

    Args:
        began: seconds since the epoch.
        seconds: for which there was traffic.
        answers: of all requests.
        events: of the front.
        samples: seconds after the beginning, and what was seen.
        command: that has made it.
    """
    lives = list(_lives(events, began))
    answers = [_told(answer, lives) for answer in answers]
    return {
        "command": command,
        "date": date.fromtimestamp(began).isoformat(),
        "machine": _machine(),
        "seconds": round(samples[-1][0], 2),
        "traffic": seconds,
        "tenants": list(WAVES),
        "requests": len(answers),
        "lost": sum(bool(answer.fault) for answer in answers),
        "answered": list(_by_second(answers)),
        "cold": [[round(each.at, 2), each.tenant, _ms(each.seconds)] for each in answers if each.is_cold],
        "containers": [list(life) for life in lives],
        "failures": [
            [round(event["time"] - began, 2), event["service"]] for event in events if event["event"] == "failed"
        ],
        "samples": [[round(at, 2), *sample] for at, sample in samples],
    }


def _machine() -> str:
    kernel, python = (".".join(version.split(".")[:2]) for version in (platform.release(), platform.python_version()))
    return f"{os.cpu_count()} processors, Linux {kernel}, Python {python}"


class Life(NamedTuple):
    """A container from the beginning of its start to its end, in seconds after the beginning, and why it ended."""

    tenant: str
    begin: float
    end: float
    reason: str


def _lives(events: Iterable[Event], began: float) -> Iterator[Life]:
    started: dict[str, Event] = {}
    reasons: dict[str, str] = {}
    for event in events:
        name = event.get("instance", "")
        if event["event"] == "started":
            started[name] = event
        elif event["event"] == "stopping":
            reasons[name] = event["reason"]
        elif event["event"] == "ended" and name in started:
            begin = started[name]["time"] - started[name]["start"] - started[name]["ready"] - began
            end = event["time"] - began
            yield Life(event["service"], round(begin, 2), round(end, 2), reasons.get(name, "by itself"))


def _told(answer: Answer, lives: Iterable[Life]) -> Answer:
    """Return an answer of which it is known whether its container was started for it."""
    if answer.is_cold is not None:
        return answer
    since, until = answer.at - _MARGIN, answer.at + answer.seconds
    own = (life.begin for life in lives if life.tenant == answer.tenant)
    return answer._replace(is_cold=any(since <= begin <= until for begin in own))


def _by_second(answers: Sequence[Answer]) -> Iterator[list[float]]:
    """Yield for each second its number, the requests sent in it, median and 99th percentile (ms) of the warm ones."""
    for second in range(ceil(max(answer.at for answer in answers))):
        sent = [answer for answer in answers if second <= answer.at < second + 1]
        warm = sorted(answer.seconds for answer in sent if not answer.is_cold and not answer.failed)
        if warm:
            yield [second, len(sent), _ms(warm[len(warm) // 2]), _ms(warm[min(ceil(len(warm) * 0.99), len(warm)) - 1])]


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 2)


def written(data: dict[str, Any]) -> str:
    """Return data as JSON, each row on a line."""
    parts = []
    for key, value in data.items():
        is_table = isinstance(value, list) and value and isinstance(value[0], list)
        text = "[\n  " + ",\n  ".join(map(json.dumps, value)) + "\n ]" if is_table else json.dumps(value)
        parts.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"
