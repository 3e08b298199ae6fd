"""The pages and the command line agree."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from haconiwa_core.cli.commands import OWN, find, others
from haconiwa_core.cli.main import command_parser
from haconiwa_core.plugins.catalogue import flag_distributions, refused_flags

TREE = Path(__file__).resolve().parents[2]
PAGES = (TREE / "README.md", *TREE.joinpath("docs").rglob("*.md"))
TEXTS = [page.read_text("utf-8") for page in PAGES]
LISTED = TREE / "docs" / "reference" / "commands.md"
"""It is made of the parsers, and explains nothing that they do not say."""


def verbs(parser: argparse.ArgumentParser, *path: str) -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """Yield a verb with its options, and what stands below it, such as "plugins list"."""
    yield path, {option for found in parser._actions for option in found.option_strings}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from verbs(inner, *path, name)


VERBS = dict(found for verb in (*OWN, *others()) for found in verbs(command_parser(verb, find(verb)), *verb.split()))


# The flags of plugins are taken wherever a definition is, those that a page's own plugin has, and refused ones.
FLAGS = {f"--{name.partition('.')[0]}" for name in (*flag_distributions(), *refused_flags())}
FLAGS |= {f"--{name}" for text in TEXTS for name in re.findall(r'"haconiwa\.v1\.flags"\]\n(\w+) =', text)}


def known(path: tuple[str, ...]) -> set[str]:
    """Return all options that a verb takes."""
    return VERBS[path] | (FLAGS if "--with" in VERBS[path] else set())


def test_every_option_that_is_mentioned_exists() -> None:
    mentioned = [command.split() for text in TEXTS for command in re.findall(r"\bhaconiwa ([a-z][^`\n|&;]*)", text)]
    commands = [words for words in mentioned if (words[0],) in VERBS]
    assert commands
    for words in commands:
        own = words[: words.index("--")] if "--" in words else words
        path = tuple(own[:2]) if tuple(own[:2]) in VERBS else (own[0],)
        options = {word for word in own if re.fullmatch(r"--[a-z][a-z-]*", word)}
        assert options <= known(path), words


def test_every_verb_and_option_is_explained() -> None:
    text = "\n".join(text for page, text in zip(PAGES, TEXTS, strict=True) if page != LISTED)
    for path, options in VERBS.items():
        assert f"haconiwa {' '.join(path)}" in text
        for option in options - {"-h", "--help"}:
            assert option in text
