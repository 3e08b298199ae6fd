"""Answers of the front itself. They say no more than their status, and whom to ask."""

from __future__ import annotations

import math
from http import HTTPStatus

import h11

from haconiwa_fastcontainer.fleet.refusals import RefusedError
from haconiwa_fastcontainer.front.http.side import Side


async def answer(client: Side, status: int, text: str = "", headers: list[tuple[str, str]] | None = None) -> None:
    """Answer a request, and let the connection end after that.

    Args:
        client: which has asked.
        status: of the answer.
        text: of its body; by default what the status is called.
        headers: further ones.
    """
    phrase = HTTPStatus(status).phrase
    body = f"{text or phrase}\n".encode()
    head = [
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", str(len(body))),
        ("connection", "close"),
        *(headers or ()),
    ]
    response = h11.Response(status_code=status, reason=phrase.encode(), headers=head)
    if client.h11.our_state in (h11.IDLE, h11.SEND_RESPONSE):
        client.queue(response)
        client.queue(h11.Data(data=body))
        client.queue(h11.EndOfMessage())
        await client.flush()


async def refuse(client: Side, refused: RefusedError) -> None:
    """Tell a client that its request gets no instance, and when it may try again."""
    text = ""
    if refused.instance:
        text = f"{HTTPStatus(refused.status).phrase}: {refused.instance}"
    await answer(client, refused.status, text, [("retry-after", str(max(1, math.ceil(refused.retry_after))))])
