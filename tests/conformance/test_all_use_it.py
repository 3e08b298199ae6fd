"""Every plugin of the tree runs the kit among its own tests."""

import pytest
from architecture.tree import PROJECTS

FEATURES = [
    pytest.param(folder, name, id=name)
    for folder, project in PROJECTS.items()
    for name in project["project"].get("entry-points", {}).get("haconiwa.v1.features", {})
]


@pytest.mark.parametrize(("folder", "name"), FEATURES)
def test_the_kit_is_run(folder, name):
    text = (folder / "tests" / "test_conformance.py").read_text()
    assert f'section = "{name}"' in text
    assert "Conformance):" in text
