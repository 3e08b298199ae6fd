"""`haconiwa features`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options
from typing import Any

from haconiwa_display import Row, Style, print_table

from haconiwa_core.cli.arguments import add_format
from haconiwa_core.cli.output import print_json, print_line
from haconiwa_core.log import Log

HELP = "say what this installation knows: features with their options, stages, hooks, commands; nothing is tried"


def configure(parser: ArgumentParser) -> None:
    """Add the arguments of `features`."""
    add_format(parser)


def main(options: Options, log: Log) -> int:
    """Print what is known; return 0."""
    from haconiwa_doctor.features import known

    found = known()
    if options.format == "json":
        print_json(found)
        return 0
    features = found["features"]
    print_table(("FEATURE", "STATE", "STAGES", "OPTIONS"), [_row(feature) for feature in features])
    print_line("")
    rest = {key: value for key, value in found.items() if key not in ("features", "exitStatuses")}
    print_table(("KNOWN", ""), [Row((key, _shown(value))) for key, value in rest.items()])
    return 0


def _row(feature: dict[str, Any]) -> Row:
    usable = feature["options"] is not None
    state = feature["state"] if usable else f"{feature['state']}: {feature['reason']}"
    options = " ".join(option["name"] for option in feature["options"] or ())
    style: Style = "" if usable else "bad"
    return Row((feature["name"], state, " ".join(feature["stages"] or ()), options), style)


def _shown(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    return " ".join(next(iter(item.values())) if isinstance(item, dict) else item for item in value)
