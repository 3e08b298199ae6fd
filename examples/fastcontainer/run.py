"""Ten tenants whose containers live by requests, under one front: `python examples/fastcontainer/run.py`.

It sends traffic in waves, checks each answer, looks at what runs and what memory that takes, and draws it. Needs root,
nginx, and that nobody has the ports 8080 and 7007 of 127.0.0.1.
"""

import asyncio
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asking import TENANTS, Places, WrongAnswerError
from client import Address
from front import Front, front
from h11 import ProtocolError
from haconiwa_runtime.waiting import within
from results import Answer, results, written
from traffic import Moment, moments
from watching import Sample

sys.path.append(str(Path(__file__).resolve().parents[2] / "docs"))
from pictures.fastcontainer import drawn

PLACES = Places(Address("127.0.0.1", 8080), Address("127.0.0.1", 7007))
PATIENCE = 60.0
LOOK = 0.5


async def ask(moment: Moment) -> Answer:
    """Send a request, and return what it got."""
    began = time.monotonic()
    try:
        seen = await within(PATIENCE, TENANTS[moment.tenant](PLACES, moment.number))
    except (OSError, EOFError, ProtocolError, WrongAnswerError) as error:
        fault = f"{type(error).__name__}: {error}"
        return Answer(moment.at, moment.tenant, time.monotonic() - began, None, fault)
    return Answer(moment.at, moment.tenant, seen.seconds, seen.is_cold, failed=seen.failed)


async def send(seconds: float) -> list[Answer]:
    """Send the requests of all waves, each when it is due, whatever has become of those before it."""
    began = time.monotonic()
    asked: list[asyncio.Task[Answer]] = []
    for moment in moments(seconds):
        await asyncio.sleep(max(0.0, began + moment.at - time.monotonic()))
        asked.append(asyncio.ensure_future(ask(moment)))
    return await asyncio.gather(*asked)


async def watch(served: Front, sending: asyncio.Future[list[Answer]]) -> list[tuple[float, Sample]]:
    """Look again and again until everything is answered, and the last container has ended."""
    began = time.monotonic()
    answered = 0.0
    samples: list[tuple[float, Sample]] = []
    while True:
        samples.append((time.monotonic() - began, await served.look()))
        if not sending.done():
            answered = samples[-1][0]
        elif not samples[-1][1].running:
            return samples
        elif samples[-1][0] - answered > PATIENCE:
            raise SystemExit("containers run on that nobody asks for")
        await asyncio.sleep(LOOK)


async def run(seconds: float) -> tuple[dict[str, Any], list[Answer], str]:
    """Run all, and return the data, the answers, and what the broken one's log says."""
    with TemporaryDirectory(prefix="fastcontainer-") as folder:
        async with front(Path(folder), "{}:{}".format(*PLACES.http)) as served:
            sys.stdout.write(f"HACONIWA_STATE={folder} haconiwa fastcontainer status\n")
            sys.stdout.flush()
            began = time.time()
            sending = asyncio.ensure_future(send(seconds))
            samples = await watch(served, sending)
            answers = sending.result()
            failed = next((answer.failed for answer in answers if answer.failed), "")
            log = await asyncio.to_thread(served.haconiwa, "logs", failed) if failed else ""
            command = f"python examples/fastcontainer/run.py --seconds {seconds:g}"
            data = results(began, seconds, answers, served.events, samples, command)
    return data, answers, log


def main() -> int:
    """Run all, and write what has been seen."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=75.0, help="for which there is traffic")
    parser.add_argument("--folder", type=Path, default=Path(), help="where the picture and its data are written")
    options = parser.parse_args()
    data, answers, log = asyncio.run(run(options.seconds))
    (options.folder / "fastcontainer.json").write_text(written(data), "utf-8")
    (options.folder / "fastcontainer.svg").write_text(drawn(data), "utf-8")
    lost = [answer for answer in answers if answer.fault]
    told = [
        f"requests    {data['requests']}: {len(data['cold'])} have waited for a start, {len(lost)} are lost",
        f"containers  {len(data['containers'])}, at most {max(row[1] for row in data['samples'])} at once",
        f"broken      its log says: {log.strip()}",
        f"picture     {options.folder / 'fastcontainer.svg'}",
        *(f"lost        {answer.tenant} at {answer.at:.2f} s: {answer.fault}" for answer in lost),
    ]
    sys.stdout.write("\n".join(told) + "\n")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
