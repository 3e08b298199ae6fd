"""`haconiwa fastcontainer`."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace as Options

from haconiwa_core.log import Log
from haconiwa_fastcontainer.commands import watching

HELP = "start containers when they are asked for, and stop them when they are not"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    serve = verbs.add_parser("serve", help="be the front of services until interrupted")
    serve.add_argument("files", metavar="FILE", nargs="+", help="a definition with a section fastcontainer")
    serve.add_argument("--http", metavar="ADDRESS:PORT", action="append", default=[], help="listen there for HTTP")
    serve.add_argument("--state", metavar="URL", default="", help="what fronts share; by default a file of this host")
    serve.add_argument("--host", metavar="NAME", help="of this host, by which others know it; by default the kernel's")
    serve.add_argument("--address", metavar="IP", type=_ip, help="at which other hosts reach containers in its network")
    serve.add_argument("--most", metavar="N", type=_number, default=1000, help="instances that this host takes")
    serve.add_argument(
        "--route",
        metavar="FILE.py:FUNCTION",
        default="",
        help="a function that is given each request's head, and returns the name of its service; not the host names",
    )
    serve.add_argument("--nginx", metavar="ADDRESS:PORT", default="", help="listen there for nginx's questions")
    serve.add_argument("--metrics", metavar="ADDRESS:PORT", default="", help="tell Prometheus there, below /metrics")
    serve.set_defaults(run=_serve)
    status = verbs.add_parser("status", help="show services and their instances, again and again")
    watching.configure_status(status)
    status.set_defaults(run=_status)
    verbs.add_parser("reload", help="have another front read the definitions and go on").set_defaults(run=_reload)
    verbs.add_parser("stop", help="end the front; its containers end by themselves").set_defaults(run=_stop)
    config = verbs.add_parser("nginx-config", help="print what nginx needs to be the front")
    config.add_argument("files", metavar="FILE", nargs="+", help="a definition with a section fastcontainer")
    config.add_argument("--nginx", metavar="ADDRESS:PORT", required=True, help="as for serve")
    config.add_argument("--listen", metavar="ADDRESS:PORT", action="append", help="where nginx listens; default: 80")
    config.add_argument("--cache", metavar="FOLDER", default="/run/haconiwa-nginx", help="for what nginx keeps")
    config.add_argument("--by-function", action="store_true", help="serve is given --route")
    config.set_defaults(run=_nginx_config)


def _ip(text: str) -> str:
    from ipaddress import ip_address

    try:
        return str(ip_address(text))
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is no number of instances")
    return int(text)


def main(options: Options, log: Log) -> int:
    """Do what the verb says."""
    status: int = options.run(options, log)
    return status


def _serve(options: Options, log: Log) -> int:
    import os

    from haconiwa_fastcontainer.held import CHANNEL

    return _be_front(options, log) if CHANNEL in os.environ else _keep_front()


def _keep_front() -> int:
    import sys

    from haconiwa_core.launch.python import python_calling
    from haconiwa_core.runtime.store import Store
    from haconiwa_core.trust import trusted_search_path
    from haconiwa_fastcontainer.keeper import Keeper, locked

    path = trusted_search_path([folder for folder in sys.path if folder])
    command = [sys.executable, *python_calling("haconiwa_core.cli.main", *sys.argv[1:], path=path)[1:]]
    with locked(Store().directory):
        return Keeper(command).run()


def _be_front(options: Options, log: Log) -> int:
    import asyncio

    from haconiwa_core.runtime.store import Store
    from haconiwa_fastcontainer.fleet.fleet import host_name
    from haconiwa_fastcontainer.held import Held
    from haconiwa_fastcontainer.serving import Settings, serve

    settings = Settings(
        options.files,
        Store(),
        http=options.http,
        state=options.state,
        host=options.host or host_name(),
        address=options.address or "",
        most=options.most,
        nginx=options.nginx,
        metrics=options.metrics,
        route=options.route,
    )
    asyncio.run(serve(settings, Held.of_this_process(), log))
    return 0


def _status(options: Options, log: Log) -> int:
    return watching.show(options)


def _reload(options: Options, log: Log) -> int:
    return watching.reload()


def _stop(options: Options, log: Log) -> int:
    watching.ask("stop")
    return 0


def _nginx_config(options: Options, log: Log) -> int:
    import sys

    from haconiwa_core.errors import DefinitionError
    from haconiwa_core.host import gather
    from haconiwa_core.plugins.loading import Plugins
    from haconiwa_fastcontainer.front.nginx.configuration import configuration
    from haconiwa_fastcontainer.front.nginx.locating import unreachable
    from haconiwa_fastcontainer.services import read_services

    definitions = read_services(options.files, Plugins(), gather())
    if problems := list(unreachable(definitions)):
        raise DefinitionError(problems)
    listen = options.listen or ["80"]
    how = {"endpoint": options.nginx, "cache": options.cache, "by_function": options.by_function}
    sys.stdout.write(configuration(definitions, listen=listen, **how))
    return 0
