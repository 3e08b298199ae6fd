"""`haconiwa fastcontainer`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.log import Log

HELP = "start containers when they are asked for, and stop them when they are not"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    serve = verbs.add_parser("serve", help="be the front of services until interrupted")
    serve.add_argument("files", metavar="FILE", nargs="+", help="a definition with a section fastcontainer")
    serve.add_argument("--http", metavar="ADDRESS:PORT", action="append", default=[], help="listen there for HTTP")
    serve.add_argument("--state", metavar="URL", default="", help="what fronts share; by default a file of this host")
    serve.add_argument("--host", metavar="NAME", help="of this host, by which others know it; by default the kernel's")
    serve.add_argument(
        "--address", metavar="IP", default="", help="at which other hosts reach containers in this one's network"
    )
    serve.add_argument("--most", metavar="N", type=int, default=1000, help="instances that this host takes")
    serve.add_argument(
        "--route",
        metavar="FILE.py:FUNCTION",
        default="",
        help="a function that is given each request's head, and returns the name of its service; not the host names",
    )
    serve.set_defaults(run=_serve)


def main(options: Options, log: Log) -> int:
    """Do what the verb says."""
    status: int = options.run(options, log)
    return status


def _serve(options: Options, log: Log) -> int:
    import asyncio

    from haconiwa_core.host import gather
    from haconiwa_core.plugins.loading import Plugins
    from haconiwa_core.runtime.store import Store
    from haconiwa_fastcontainer.fleet.fleet import host_name
    from haconiwa_fastcontainer.services import read_services
    from haconiwa_fastcontainer.serving import Settings, listening, serve

    definitions = read_services(options.files, Plugins(), gather())
    wanted = [*options.http, *(address for item in definitions for address in item.options.listen)]
    sockets = {address: listening(address) for address in wanted}
    settings = Settings(
        options.files,
        Store(),
        http=options.http,
        state=options.state,
        host=options.host or host_name(),
        address=options.address,
        most=options.most,
        route=options.route,
    )
    asyncio.run(serve(settings, sockets, log))
    return 0
