"""nginx as the front: it holds the connections, and asks where an instance is (ngx_http_auth_request_module).

What it is told it keeps for a second; so the way of nearly all requests lies in nginx alone. An instance that is to end
is told to nobody, and waited for until nginx has forgotten it (`GRACE`).
"""

GRACE = 3.0
"""Seconds after which no answer is kept any more: it is one of validity, and nginx counts whole seconds."""

HOST, QUIET, TARGET, METHOD, CLIENT = (
    b"x-haconiwa-host",
    b"x-haconiwa-quiet",
    b"x-haconiwa-target",
    b"x-haconiwa-method",
    b"x-haconiwa-client",
)
"""Headers of nginx's question."""

UPSTREAM, COLD_START, STATUS, INSTANCE = (
    b"x-haconiwa-upstream",
    b"x-haconiwa-cold-start",
    b"x-haconiwa-status",
    b"x-haconiwa-instance",
)
"""Headers of the answer: 200 with an address, or 403 with the status that the client is to get."""
