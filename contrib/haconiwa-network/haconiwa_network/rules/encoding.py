"""Messages about tables, chains, sets and rules, as the kernel takes them (nfnetlink, nf_tables).

pyroute2 makes the same ones; importing it takes longer than all else of a start.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from haconiwa_core.linux.netlink import NLM_F_ACK

NETLINK_NETFILTER = 12
INET, BRIDGE = 1, 7
TABLE = "haconiwa"

REG = 8
"""The first of the registers of four bytes."""

MAP, CONCAT, INTERVAL = 0x8, 0x80, 0x4

_SUBSYSTEM = 10
_BEGIN, _END = 0x10, 0x11
_NEWTABLE, _DELTABLE, _NEWCHAIN, _DELCHAIN, _NEWRULE = 0, 2, 3, 5, 6
_NEWSET, _DELSET, _NEWSETELEM, _DELSETELEM = 9, 11, 12, 14
_REQUEST, _EXCLUSIVE, _CREATE, _APPEND = 0x1, 0x200, 0x400, 0x800
_NESTED = 0x8000
_VERDICT, _JUMP = 0xFFFFFF00, 0xFFFFFFFD
_ACCEPT = 1


class Field(NamedTuple):
    """One part of a key.

    Args:
        type: by which nft(8) shows it; the kernel only keeps the number.
        size: in bytes.
    """

    type: int
    size: int


IPV4, IPV6, PROTOCOL, SERVICE, INTERFACE = Field(7, 4), Field(8, 16), Field(12, 1), Field(13, 2), Field(41, 16)


class Element(NamedTuple):
    """What one container adds to a set.

    Args:
        family: of the table.
        set: its name.
        key: its fields, each padded to four bytes.
        data: what a map has for it.
        end: last key of a range.
        chain: to which a map of verdicts leads for it.
    """

    family: int
    set: str
    key: bytes
    data: bytes = b""
    end: bytes = b""
    chain: str = ""


def batch(messages: Sequence[bytes]) -> bytes:
    """Return messages that the kernel takes all or none of."""
    edge = struct.pack(">BBH", 0, 0, _SUBSYSTEM)
    return _header(_BEGIN, 0, edge) + b"".join(messages) + _header(_END, 0, edge)


def new_table(family: int) -> bytes:
    """Return the message that makes our table; it is refused (EEXIST) where there is one."""
    return _message(_NEWTABLE, _EXCLUSIVE | _CREATE, family, text(1, TABLE))


def table_removal(family: int) -> bytes:
    """Return the batch that removes our table, with all that is in it."""
    return batch([_message(_DELTABLE, 0, family, text(1, TABLE))])


def new_chain(family: int, name: str, kind: str, hook: int, priority: int) -> bytes:
    """Return the message that makes a base chain, whose policy is to accept."""
    place = nested(4, number(1, hook), attribute(2, struct.pack(">i", priority)))
    own = (text(1, TABLE), text(3, name), place, number(5, _ACCEPT), text(7, kind))
    return _message(_NEWCHAIN, _CREATE, family, *own)


def new_own_chain(family: int, name: str) -> bytes:
    """Return the message that makes a chain to which rules lead; it is refused (EEXIST) where there is one."""
    return _message(_NEWCHAIN, _EXCLUSIVE | _CREATE, family, text(1, TABLE), text(3, name))


def chain_removal(family: int, name: str) -> bytes:
    """Return the message that removes a chain with its rules."""
    return _message(_DELCHAIN, 0, family, text(1, TABLE), text(3, name))


def new_verdicts(family: int, name: str, fields: Sequence[Field]) -> bytes:
    """Return the message that makes a map whose elements lead to chains; the arguments are those of `new_set`."""
    own = (text(1, TABLE), text(2, name), number(3, MAP), number(4, _type(fields)), number(5, _size(fields)))
    return _message(_NEWSET, _EXCLUSIVE | _CREATE, family, *own, number(6, _VERDICT), _set_id(name))


def set_removal(family: int, name: str) -> bytes:
    """Return the message that removes a set."""
    return _message(_DELSET, 0, family, text(1, TABLE), text(2, name))


def new_set(family: int, name: str, fields: Sequence[Field], flags: int = 0, data: Sequence[Field] = ()) -> bytes:
    """Return the message that makes a set.

    Args:
        family: of the table.
        name: of the set.
        fields: of a key.
        flags: INTERVAL for keys that are ranges.
        data: fields of what a map has for a key; none for a set that is no map.
    """
    flags |= (CONCAT if len(fields) > 1 else 0) | (MAP if data else 0)
    own = [text(1, TABLE), text(2, name), number(3, flags), number(4, _type(fields)), number(5, _size(fields))]
    if data:
        own += [number(6, _type(data)), number(7, _size(data))]
    if len(fields) > 1:
        own.append(nested(9, nested(2, *(nested(1, number(1, field.size)) for field in fields))))
    return _message(_NEWSET, _EXCLUSIVE | _CREATE, family, *own, _set_id(name))


def new_rule(family: int, chain: str, *expressions: bytes) -> bytes:
    """Return the message that appends a rule to a chain."""
    return _message(_NEWRULE, _CREATE | _APPEND, family, text(1, TABLE), text(2, chain), nested(4, *expressions))


def addition(element: Element) -> bytes:
    """Return the message that adds an element; it is refused (EEXIST) where another has its key."""
    return _element(_NEWSETELEM, _EXCLUSIVE | _CREATE, element)


def element_removal(element: Element) -> bytes:
    """Return the message that removes an element."""
    return _element(_DELSETELEM, 0, element._replace(data=b"", chain=""))


def expression(name: str, *attributes: bytes) -> bytes:
    """Return one expression of a rule."""
    return nested(1, text(1, name), nested(2, *attributes))


def attribute(kind: int, content: bytes) -> bytes:
    """Return one attribute."""
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """Return an attribute that consists of others."""
    return attribute(kind | _NESTED, b"".join(attributes))


def number(kind: int, value: int) -> bytes:
    """Return an attribute that is a number."""
    return attribute(kind, struct.pack(">I", value))


def text(kind: int, value: str) -> bytes:
    """Return an attribute that is a text."""
    return attribute(kind, value.encode("ascii") + b"\0")


def _set_id(name: str) -> bytes:
    return number(10, sum(name.encode()) + len(name))


def _type(fields: Sequence[Field]) -> int:
    """Return the type of several, of six bits each."""
    found = 0
    for field in fields:
        found = found << 6 | field.type
    return found


def _size(fields: Sequence[Field]) -> int:
    return sum(-(-field.size // 4) * 4 for field in fields) if len(fields) > 1 else fields[0].size


def _element(kind: int, flags: int, element: Element) -> bytes:
    own = nested(1, attribute(1, element.key))
    if element.data:
        own += nested(2, attribute(1, element.data))
    if element.chain:
        own += nested(2, nested(2, number(1, _JUMP), text(2, element.chain)))
    if element.end:
        own += nested(10, attribute(1, element.end))
    place = (text(1, TABLE), text(2, element.set), nested(3, nested(1, own)))
    return _message(kind, flags, element.family, *place)


def _message(kind: int, flags: int, family: int, *attributes: bytes) -> bytes:
    head = struct.pack(">BBH", family, 0, 0)
    return _header(_SUBSYSTEM << 8 | kind, flags | NLM_F_ACK, head + b"".join(attributes))


def _header(kind: int, flags: int, content: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(content), kind, _REQUEST | flags, 1, 0) + content
