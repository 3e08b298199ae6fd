"""`haconiwa plugins`."""

from __future__ import annotations

import dataclasses
from argparse import ArgumentParser, Namespace as Options
from typing import Any

from haconiwa_core.cli.arguments import add_format, general, listed
from haconiwa_core.cli.commands import others
from haconiwa_core.cli.output import print_json, print_line, print_table
from haconiwa_core.errors import PluginError
from haconiwa_core.feature import Feature, Rootless, option_help
from haconiwa_core.log import Log
from haconiwa_core.options import annotations_of, describe
from haconiwa_core.plugins.discovery import Installed, State, installed, read_settings, write_settings

HELP = "list, explain, enable or disable plugins"


def configure(parser: ArgumentParser) -> None:
    """Add the actions of `plugins`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list installed plugins", parents=[general()])
    listing.add_argument("--load", action="store_true", help="try the imports: tells stages and broken plugins")
    add_format(listing)
    show = actions.add_parser("show", help="show a plugin's options, stages and errors", parents=[general()])
    show.add_argument("plugin", metavar="NAME")
    add_format(show)
    for action in ("enable", "disable"):
        switch = actions.add_parser(action, help=f"{action} a plugin", parents=[general()])
        switch.add_argument("plugin", metavar="NAME")
    found = {verb: f"of {distribution}" for verb, distribution in others().items() if verb.startswith("plugins ")}
    parser.epilog = listed("other actions:", {verb.partition(" ")[2]: text for verb, text in found.items()})


def main(options: Options, log: Log) -> int:
    """List, show, enable or disable plugins; return 0."""
    actions = {"list": _list, "show": _show, "enable": _switch, "disable": _switch}
    actions[options.action](options)
    return 0


def _list(options: Options) -> None:
    plugins = installed()
    loaded: dict[str, type[Feature] | PluginError] = {}
    if options.load:
        from haconiwa_core.plugins.loading import Plugins
        from haconiwa_core.plugins.survey import survey

        loaded = survey(Plugins(plugins))
    rows = [_row(plugin, loaded.get(plugin.name)) for plugin in plugins]
    if options.format == "json":
        print_json(rows)
        return
    header = ["name", "distribution", "version", "api", "state", "location", "stages"]
    cells = [
        [*(row[key] for key in header[:4]), _state_text(row), _place_text(row), " ".join(row["stages"] or ())]
        for row in rows
    ]
    shown = header if options.load else header[:-1]
    print_table([word.upper() for word in shown], [row[: len(shown)] for row in cells])


def _state_text(row: dict[str, Any]) -> str:
    return f"{row['state']} ({row['reason']})" if row["reason"] else str(row["state"])


def _place_text(row: dict[str, Any]) -> str:
    return f"{row['editable']} (editable)" if row["editable"] else str(row["location"])


def _row(plugin: Installed, loaded: type[Feature] | PluginError | None) -> dict[str, Any]:
    from importlib.metadata import Distribution

    from haconiwa_core.plugins.origin import origin_of

    row: dict[str, Any] = {
        "name": plugin.name,
        "distribution": plugin.entry_point.distribution,
        "version": plugin.entry_point.version,
        "api": plugin.api,
        "state": str(plugin.state),
        "reason": plugin.reason,
        **origin_of(Distribution.at(plugin.entry_point.metadata))._asdict(),
        "stages": None,
    }
    if loaded is None or plugin.state is not State.ENABLED:
        return row
    if isinstance(loaded, PluginError):
        return row | {"state": str(State.BROKEN), "reason": str(loaded)}
    return row | {"stages": [stage.name for stage in loaded.stages]}


def _show(options: Options) -> None:
    found = [plugin for plugin in installed() if plugin.name == options.plugin]
    if not found:
        raise PluginError(f"no plugin named {options.plugin} is installed; see `haconiwa plugins list`")
    rows = [_explained(plugin) for plugin in found]
    if options.format == "json":
        print_json(rows[0] if len(rows) == 1 else rows)
        return
    for row in rows:
        print_line(f"{row['name']}: {row['summary'] or row['reason']}")
        print_line(f"distribution {row['distribution']} {row['version']}, api {row['api']}, {_state_text(row)}")
        if row["options"] is not None:
            print_line(f"stages {' '.join(row['stages'])}")
            print_line(f"without root: {', '.join(filter(None, (row['rootless'] or {}).values())) or 'not said'}\n")
            cells = [[item["name"], item["type"], item["default"], item["help"]] for item in row["options"]]
            print_table(["OPTION", "TYPE", "DEFAULT", "HELP"], cells)


def _explained(plugin: Installed) -> dict[str, Any]:
    from haconiwa_core.plugins.loading import Plugins

    try:
        feature = Plugins([plugin]).feature_class(plugin.name)
    except PluginError as error:
        return _row(plugin, error) | {"options": None, "summary": None}
    summary = (feature.__doc__ or "").partition("\n")[0]
    said: Rootless | None = getattr(feature, "rootless", None)
    rootless = said._asdict() if said else None
    return _row(plugin, feature) | {"options": _options(feature), "summary": summary, "rootless": rootless}


def _options(feature: type[Feature]) -> list[dict[str, str]]:
    helps = option_help(feature)
    return [
        {
            "name": item.name,
            "type": describe(annotations_of(feature)[item.name]),
            "default": "required" if item.default is dataclasses.MISSING else _default(item.default),
            "help": helps[item.name],
        }
        for item in dataclasses.fields(feature)
    ]


def _default(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(list(value)) if isinstance(value, tuple) else repr(value)


def _switch(options: Options) -> None:
    name = options.plugin
    disabled = set(read_settings())
    if options.action == "enable":
        disabled.discard(name)
    else:
        if not any(plugin.name == name for plugin in installed()):
            raise PluginError(f"no plugin named {name} is installed; see `haconiwa plugins list`")
        disabled.add(name)
    path = write_settings(disabled)
    print_line(f"{name} {options.action}d in {path}")
