"""The host's network."""

from __future__ import annotations

from haconiwa_verify.asked import joined
from haconiwa_verify.attempt import Attempt, Words
from haconiwa_verify.prober import Answer
from haconiwa_verify.scene import Scene


def _interface(scene: Scene) -> Words | str:
    return ("find-interface", scene.interface[0]) if scene.interface else "the host has no interface but its loopback"


def _has_address(answer: Answer, scene: Scene) -> bool:
    return scene.interface is not None and answer.found == scene.interface[1]


def _port(scene: Scene) -> Words:
    return ("connect-to-port", scene.port, scene.token)


def _name(scene: Scene) -> Words:
    return ("connect-to-name", scene.name, scene.token)


def _keeping_ports(scene: Scene) -> tuple[str, ...]:
    return joined(scene.asked.own("net"), scene.asked.closed_port(scene.port))


def _keeping_names(scene: Scene) -> tuple[str, ...]:
    return joined(scene.asked.own("net"), scene.asked.closed_scope("abstract_unix_socket"))


ATTEMPTS = (
    Attempt(
        "interface",
        "see a network interface of the host",
        _interface,
        _has_address,
        lambda scene: scene.asked.own("net"),
    ),
    Attempt(
        "loopback",
        "connect to a service on the host's loopback",
        _port,
        lambda _, scene: scene.port_was_reached(),
        _keeping_ports,
    ),
    Attempt(
        "abstract-socket",
        "connect to an abstract socket of the host",
        _name,
        lambda _, scene: scene.name_was_reached(),
        _keeping_names,
    ),
)
