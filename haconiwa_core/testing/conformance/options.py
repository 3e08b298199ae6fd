"""Checks of the section: its options, their documentation, the forms in which they are written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, FrozenInstanceError, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from haconiwa_core.definition.reading import read
from haconiwa_core.definition.stored import read_stored
from haconiwa_core.feature import Rootless
from haconiwa_core.options import annotations_of, convert
from haconiwa_core.testing.conformance.subject import Subject, feature_class
from haconiwa_core.testing.plans import all_plugins
from haconiwa_core.testing.readmes import options_table, readme_of

HEADINGS = ("Example", "Options", "What it does, and when", "Kernel interface and needs", "Not promised")
"""What a README says, so that one can choose."""


class OptionChecks(Subject):
    """The section and its options."""

    def test_it_says_what_it_can_do_without_root(self) -> None:
        """People who are not root learn from `haconiwa plugins show` whether the feature is for them.

        If it fails: give the feature `rootless: ClassVar[Rootless] = Rootless("yes")`, or "partly" or "no" with a line
            that says what is missing, why, and what to use instead.
        """
        said = getattr(feature_class(self.section), "rootless", None)
        assert isinstance(said, Rootless), "it says nothing"
        assert said.able in ("yes", "partly", "no"), f"there is no {said.able!r}"
        assert said.able == "yes" or said.how, f'"{said.able}" needs the reason, and the way'
        assert "\n" not in said.how, "one line is enough"

    def test_its_feature_is_a_value(self, tmp_path: Path) -> None:
        """The feature cannot be changed, can be compared and hashed, and takes options by their names.

        If it fails: it is `@dataclass(frozen=True, kw_only=True)`, where only what is required may be positional;
            values are plain data and tuples of them.
        """
        feature = feature_class(self.section)
        assert is_dataclass(feature), f"{feature.__name__} is no dataclass"
        optional = [item for item in fields(feature) if item.default is not MISSING]
        positional = [item.name for item in optional if not item.kw_only]
        assert positional == [], "these options can be given without their names; add kw_only=True"
        for planned in self.plans(tmp_path):
            found = planned.container.feature(self.section)
            assert found is not None
            copy = replace(found)
            assert (copy, hash(copy)) == (found, hash(found)), "a copy of the feature is not equal to it"
            for item in fields(feature):
                with pytest.raises(FrozenInstanceError):
                    setattr(found, item.name, getattr(found, item.name))

    def test_its_defaults_are_valid(self) -> None:
        """A default is a value that could be given.

        If it fails: the annotation of the option must allow its default.
        """
        feature = feature_class(self.section)
        annotations = annotations_of(feature)
        for item in fields(feature):
            if item.default is not MISSING:
                _, complaints = convert(item.default, annotations[item.name], item.name)
                assert complaints == [], f"the default of {item.name} is refused"

    def test_its_options_are_documented(self) -> None:
        """Each option has a line of help, and the README has the table of them all.

        If it fails: declare options with `option(default, help)`, and put what
            `haconiwa_core.testing.options_table(feature)` returns into the README.
        """
        feature = feature_class(self.section)
        without = [item.name for item in fields(feature) if not item.metadata.get("help")]
        assert without == [], "these options have no help"
        table = options_table(feature)
        assert table in readme_of(self.installed.entry_point.distribution), f"the README lacks the table\n{table}"

    def test_its_readme_says_what_is_needed_to_choose(self) -> None:
        """The README has an example, the options, what happens and when, what it needs, and what is not promised.

        If it fails: the README has these headings of the second level, in this order: Example; Options; What it does,
            and when; Kernel interface and needs; Not promised.
        """
        readme = readme_of(self.installed.entry_point.distribution)
        headings = re.findall(r"^## (.*)$", readme, re.MULTILINE)
        assert tuple(headings) == HEADINGS, "the README has other headings"

    def test_unknown_keys_are_refused_with_a_suggestion(self, tmp_path: Path) -> None:
        """A typing error in a definition is never passed over.

        If it fails: no two options differ by a doubled letter only.
        """
        file = tmp_path / "typo.toml"
        for item in fields(feature_class(self.section)):
            typo = item.name + item.name[-1]
            file.write_text(f'command = ["true"]\n[{self.section}]\n{typo} = 1\n')
            (container,) = read(str(file), all_plugins())
            found = [problem for problem in container.problems() if problem.key == typo]
            assert found, f"{typo} is an option beside {item.name}"
            assert (found[0].section, found[0].line) == (self.section, 3)
            assert str(found[0]).endswith(f'unknown key "{typo}"; did you mean "{item.name}"?')

    def test_it_can_be_written_down(self, tmp_path: Path) -> None:
        """A feature is the same after it was written as TOML, or kept as JSON in a container's record.

        If it fails: options are of the types that `haconiwa_core.options` understands, and TOML has them all.
        """
        for planned in self.plans(tmp_path):
            feature = planned.container.feature(self.section)
            values = planned.definition["features"][self.section]
            data = {**planned.definition, "features": {self.section: values}}
            file = tmp_path / "written.toml"
            lines = [f"{json.dumps(key)} = {_toml(value)}" for key, value in values.items()]
            file.write_text("\n".join(['command = ["true"]', f"[{self.section}]", *lines, ""]))
            (written,) = read(str(file), all_plugins())
            stored = read_stored(json.loads(json.dumps(data)), all_plugins())
            assert written.feature(self.section) == feature, f"TOML gives another feature: {file.read_text()}"
            assert stored.feature(self.section) == feature, f"JSON gives another feature: {data}"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    # Texts, numbers and truth values are written alike, but for characters beyond 16 bits.
    return json.dumps(value, ensure_ascii=False)
