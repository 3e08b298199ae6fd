"""Which service a request is for: by a Python function."""

from __future__ import annotations

from fastcontainer.fronts import HELLO, Front
from fastcontainer.test_http import asked

ROUTES = """
def route(asked):
    if asked.path.startswith("/fault"):
        raise ValueError("no way")
    if asked.headers.get("x-version") == "2" and asked.method == "GET":
        return "two"
    return {"web.test": "one", "else.test": "none"}.get(asked.host)
"""


def test_a_function_routes(front: Front) -> None:
    (front.folder / "routes.py").write_text(ROUTES)
    for name in ("one", "two"):
        front.write(name, HELLO.replace("hello from", f"hello from {name}"), "")
    front.arguments = ["--route", f"{front.folder}/routes.py:route"]
    front.start()
    assert asked(front)[1].split()[2] == b"one"
    assert asked(front, **{"X-Version": "2"})[1].split()[2] == b"two"
    assert asked(front, Host="other.test")[0].status == 421
    assert asked(front, Host="else.test")[0].status == 421
    assert asked(front, path="/fault")[0].status == 500
    assert "no way" in front.errors


def test_what_is_wrong_is_told_before_anything_is_started(front: Front) -> None:
    (front.folder / "routes.py").write_text(ROUTES)
    front.write("one", HELLO, "")
    front.arguments = ["--route", f"{front.folder}/routes.py:other"]
    try:
        front.start()
    except AssertionError:
        assert "defines no function 'other'" in front.errors
    else:
        raise AssertionError("it has started")
