"""The configuration of nginx: a file to be included on the level `http`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from haconiwa_fastcontainer.front.nginx import (
    CLIENT,
    COLD_START,
    HOST,
    INSTANCE,
    METHOD,
    QUIET,
    STATUS,
    TARGET,
    UPSTREAM,
)
from haconiwa_fastcontainer.services import Definition

_SLOTS = 16
"""Answers that are kept for a host whose service has several instances, so that requests are spread over these."""


def configuration(
    definitions: Sequence[Definition], *, endpoint: str, listen: Sequence[str], cache: str, by_function: bool
) -> str:
    """Return the text.

    Args:
        definitions: of the services.
        endpoint: address and port at which the front answers nginx.
        listen: addresses on which nginx listens.
        cache: a folder for what it keeps, on a file system in memory.
        by_function: whether a function routes: then each path of a host is asked for by itself.
    """
    served = [item for item in definitions if item.options.protocol == "http"]
    key = "$haconiwa_quiet:$haconiwa_slot:$host" + (":$request_method:$request_uri" if by_function else "")
    parts = [
        "# Made by `haconiwa fastcontainer nginx-config`; include it on the level `http`.",
        f"proxy_cache_path {_quoted(cache)} levels=1 keys_zone=haconiwa:1m inactive=10s use_temp_path=off;",
        # Who closes a connection keeps its port for a minute: instances have more of them than nginx has for each.
        _map("$http_upgrade", "$haconiwa_connection", [('""', "close")], default="upgrade"),
        _map("$host$request_uri", "$haconiwa_quiet_path", _quiet_paths(served)),
        _map("$host:$http_user_agent", "$haconiwa_quiet_agent", _quiet_agents(served)),
        _map("$haconiwa_quiet_path$haconiwa_quiet_agent", "$haconiwa_quiet", [("00", "0")], default="1"),
        _slots(served),
        # What an instance was sent in vain may be sent again where it has seen nothing, or where that changes nothing.
        _map(
            "$request_method:$upstream_bytes_sent",
            "$haconiwa_may_repeat",
            [('"~^(GET|HEAD|OPTIONS):"', "1"), ('"~:(0|-)?$"', "1")],
        ),
        f"upstream haconiwa_front {{\n    server {endpoint};\n    keepalive 16;\n}}",
        _server(served, listen, key, by_function=by_function),
    ]
    return "\n".join(parts) + "\n"


def _server(served: Sequence[Definition], listen: Sequence[str], key: str, *, by_function: bool) -> str:
    names = {host for item in served for host in item.options.hosts} - {"*"}
    takes_all = by_function or any("*" in item.options.hosts for item in served)
    named = " ".join([*sorted(names), *(["_"] if takes_all else [])]) or "_"
    suffix = " default_server" if takes_all else ""
    listens = "\n".join(f"    listen {address}{suffix};" for address in listen)
    return f"""server {{
{listens}
    # TLS and HTTP/2: listen 443 ssl http2; ssl_certificate FILE; ssl_certificate_key FILE;
    server_name {named};
    client_max_body_size 0;

    location / {{
        auth_request /.haconiwa/kept;
{_PASSED}
        error_page 403 = @haconiwa_refused;
        error_page 502 504 = @haconiwa_again;
    }}
    location @haconiwa_again {{
        if ($haconiwa_may_repeat = 0) {{ return 502; }}
        auth_request /.haconiwa/now;
{_PASSED}
        error_page 403 = @haconiwa_refused;
    }}
    location @haconiwa_refused {{
        internal;
        default_type text/plain;
        add_header Retry-After $haconiwa_retry always;
        if ($haconiwa_status = 421) {{ return 421 "Misdirected Request\\n"; }}
        if ($haconiwa_status = 502) {{ return 502 "Bad Gateway: $haconiwa_instance\\n"; }}
        return 503 "Service Unavailable\\n";
    }}
    location = /.haconiwa/kept {{
        internal;
        proxy_cache haconiwa;
        proxy_cache_key "{key}";
        proxy_cache_valid 200 1s;
        # A file that was written anew is opened anew.
        open_file_cache max=1000 inactive=10s;
        open_file_cache_valid 10s;
{_ASKED}
    }}
    location = /.haconiwa/now {{
        internal;
{_ASKED}
    }}
}}"""


def _name(header: bytes) -> str:
    return header.decode("ascii")


def _variable(header: bytes) -> str:
    return "$upstream_http_" + _name(header).replace("-", "_")


_PASSED = f"""        auth_request_set $haconiwa_upstream {_variable(UPSTREAM)};
        auth_request_set $haconiwa_cold {_variable(COLD_START)};
        auth_request_set $haconiwa_status {_variable(STATUS)};
        auth_request_set $haconiwa_retry $upstream_http_retry_after;
        auth_request_set $haconiwa_instance {_variable(INSTANCE)};
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $haconiwa_connection;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $host;
        proxy_set_header Forwarded "";
        proxy_hide_header X-Haconiwa-Cold-Start;
        proxy_read_timeout 1h;
        add_header X-Haconiwa-Cold-Start $haconiwa_cold;
        proxy_pass http://$haconiwa_upstream;"""

_ASKED = f"""        proxy_pass http://haconiwa_front/;
        proxy_method GET;
        proxy_http_version 1.1;
        proxy_pass_request_body off;
        proxy_pass_request_headers off;
        proxy_read_timeout 1h;
        proxy_set_header Host front;
        proxy_set_header Connection "";
        proxy_set_header Content-Length "";
        proxy_set_header {_name(HOST)} $host;
        proxy_set_header {_name(QUIET)} $haconiwa_quiet;
        proxy_set_header {_name(TARGET)} $request_uri;
        proxy_set_header {_name(METHOD)} $request_method;
        proxy_set_header {_name(CLIENT)} $remote_addr;"""


def _map(source: str, target: str, cases: Sequence[tuple[str, str]], default: str = "0") -> str:
    lines = "".join(f"    {case} {value};\n" for case, value in cases)
    return f'map "{source}" {target} {{\n    default {default};\n{lines}}}'


def _quiet_paths(served: Sequence[Definition]) -> list[tuple[str, str]]:
    return [
        (_quoted(f"~^{_host(host)}{_pattern(path)}"), "1")
        for item in served
        for host in item.options.hosts
        for path in item.options.quiet_paths
    ]


def _quiet_agents(served: Sequence[Definition]) -> list[tuple[str, str]]:
    return [
        (_quoted(f"~^{_host(host)}:.*{_pattern(part)}"), "1")
        for item in served
        for host in item.options.hosts
        for part in item.options.quiet_agents
    ]


def _slots(served: Sequence[Definition]) -> str:
    """Return what spreads the requests for hosts whose services have several instances."""
    share = 100 / _SLOTS
    lines = "".join(f"    {share:.2f}% {number};\n" for number in range(1, _SLOTS))
    several = {host for item in served for host in item.options.hosts if item.options.most > 1}
    cases = [(_quoted(host), "$haconiwa_random") for host in sorted(several - {"*"})]
    alone = [(_quoted(host), "0") for item in served for host in item.options.hosts if host not in several | {"*"}]
    default = "$haconiwa_random" if "*" in several else "0"
    spread = f'split_clients "$request_id" $haconiwa_random {{\n{lines}    * {_SLOTS};\n}}'
    return f"{spread}\n{_map('$host', '$haconiwa_slot', cases + alone, default)}"


def _host(host: str) -> str:
    return "[^/:]*" if host == "*" else _pattern(host)


def _pattern(text: str) -> str:
    """Return a regular expression for a text; where "$" stood nginx would read a variable."""
    return re.escape(text).replace("\\$", "\\x24")


def _quoted(text: str) -> str:
    """Return a text as one word of the configuration."""
    return '"' + "".join(_escaped(text)) + '"'


def _escaped(text: str) -> Iterator[str]:
    for character in text:
        if not character.isprintable():
            yield "."  # In a regular expression, for any character.
        elif character in '"\\':
            yield "\\" + character
        else:
            yield character
