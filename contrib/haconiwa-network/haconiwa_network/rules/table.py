"""The rules: those that translate are the same for all containers, which add elements to sets; a policy is one's own.

In the table of the family inet lies what translates addresses, in that of the family bridge what refuses.
The latter sees every frame of a container, those to its neighbours on the bridge, too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from haconiwa_network.rules.encoding import (
    BRIDGE,
    INET,
    INTERFACE,
    INTERVAL,
    IPV4,
    IPV6,
    PROTOCOL,
    REG,
    SERVICE,
    attribute,
    chain_removal,
    expression,
    nested,
    new_chain,
    new_own_chain,
    new_rule,
    new_set,
    new_table,
    new_verdicts,
    number,
    set_removal,
)

_PREROUTING, _OUTPUT, _POSTROUTING = 0, 3, 4
_RAW, _DSTNAT, _SRCNAT = -300, -100, 100
_BRIDGE_FILTER = -200
_EQUAL, _DIFFERENT = 0, 1
_NETWORK, _TRANSPORT = 1, 2
_META_PROTOCOL, _META_IIFNAME, _META_NFPROTO, _META_L4PROTO = 1, 6, 15, 16
_CT_STATUS = 2
_LOCAL = 2
_FIB_TYPE, _FIB_DESTINATION = 3, 2
_TRANSLATED = 1 << 5
_TCP, _SYN, _ACK = 6, 0x02, 0x10
_DROP, _ACCEPT = 0, 1
_VERDICT_REGISTER = 0
_ICMPV6 = 58
_ROUTER_SOLICITATION, _NEIGHBOUR_ADVERTISEMENT = 133, 136

# Version: NFPROTO, ETH_P, offset of the source and of the destination, bytes of an address.
_VERSIONS = {4: (2, 0x0800, 12, 16, 4), 6: (10, 0x86DD, 8, 24, 16)}
_ADDRESSES = {4: IPV4, 6: IPV6}


def table() -> Iterator[bytes]:
    """Yield the messages that make all of it."""
    yield new_table(INET)
    yield new_chain(INET, "loopback", "filter", _PREROUTING, _RAW)
    yield new_chain(INET, "arriving", "nat", _PREROUTING, _DSTNAT)
    yield new_chain(INET, "own", "nat", _OUTPUT, _DSTNAT)
    yield new_chain(INET, "leaving", "nat", _POSTROUTING, _SRCNAT)
    # A bridge takes answers for 127.0.0.1 (route_localnet); nobody may ask there from outside.
    foreign = (_meta(_META_IIFNAME), _compare(b"lo".ljust(16, b"\0"), _DIFFERENT))
    yield new_rule(INET, "loopback", *foreign, *_of(4), _payload(16, 1), _compare(b"\x7f"), _verdict(_DROP))
    for version, (_, _, source, destination, size) in _VERSIONS.items():
        address = _ADDRESSES[version]
        yield new_set(INET, f"published{version}", (address, PROTOCOL, SERVICE), data=(address, SERVICE))
        yield new_set(INET, f"published-anywhere{version}", (PROTOCOL, SERVICE), data=(address, SERVICE))
        yield new_set(INET, f"containers{version}", (address,))
        yield new_set(INET, f"neighbours{version}", (address, INTERFACE))
        yield new_set(INET, f"masqueraded{version}", (address,))
        for chain in ("arriving", "own"):
            # Nothing comes back to ::1 from another interface.
            reachable = (_payload(destination, size), _compare(bytes(15) + b"\1", _DIFFERENT)) if version == 6 else ()
            yield new_rule(
                INET, chain, *_of(version), _payload(destination, size), *_service(size), *_translate(version, "")
            )
            local = (_fib(), _compare(struct.pack("=I", _LOCAL)))
            yield new_rule(
                INET, chain, *_of(version), *reachable, *local, *_service(0), *_translate(version, "-anywhere")
            )
        # A neighbour would answer directly, and not from the address that was asked; so would the container itself.
        neighbours = (_payload(source, size), _in(f"containers{version}"))
        others = (_payload(destination, size), _in(f"containers{version}"))
        yield new_rule(INET, "leaving", *_of(version), *_translated(), *neighbours, *others, expression("masq"))
        # What has no rules of its own is known by the bridge it comes from, where the bridge itself translates nothing.
        same_bridge = (_payload(destination, size), _meta(_META_IIFNAME, REG + size // 4), _in(f"neighbours{version}"))
        yield new_rule(INET, "leaving", *_of(version), *_translated(), *same_bridge, expression("masq"))
        yield new_rule(
            INET, "leaving", *_of(version), _payload(source, size), _in(f"masqueraded{version}"), expression("masq")
        )
    own = (_payload(12, 1), _compare(b"\x7f"))
    yield new_rule(INET, "leaving", *_of(4), *_translated(), *own, expression("masq"))


def policy() -> Iterator[bytes]:
    """Yield the messages that make what refuses."""
    yield new_table(BRIDGE)
    yield new_chain(BRIDGE, "policy", "filter", _PREROUTING, _BRIDGE_FILTER)
    yield new_verdicts(BRIDGE, "restricted", (INTERFACE,))
    # Few kernels track connections of bridges; without the packet that opens one there is none (RFC 9293).
    answer = (_meta(_META_L4PROTO), _compare(bytes([_TCP])), _payload(13, 1, _TRANSPORT))
    opening = (_mask(bytes([_SYN | _ACK])), _compare(bytes([_SYN]), _DIFFERENT))
    yield new_rule(BRIDGE, "policy", *answer, *opening, _verdict(_ACCEPT))
    neighbours = (*_ether(0x86DD), _meta(_META_L4PROTO), _compare(bytes([_ICMPV6])), _payload(0, 1, _TRANSPORT))
    discovery = _range(_ROUTER_SOLICITATION, _NEIGHBOUR_ADVERTISEMENT)
    yield new_rule(BRIDGE, "policy", *neighbours, discovery, _verdict(_ACCEPT))
    yield new_rule(BRIDGE, "policy", *_ether(0x0806), _verdict(_ACCEPT))
    yield new_rule(BRIDGE, "policy", _meta(_META_IIFNAME), _in("restricted", number(3, _VERDICT_REGISTER)))


def allowing(link: str) -> Iterator[bytes]:
    """Yield the messages that make what one container is allowed: a chain and sets of its own.

    The kernel copies a set with ranges for each change of it, so that one for all would make all starts slower.

    Args:
        link: the host's end of its interface.
    """
    yield new_own_chain(BRIDGE, link)
    for version, (_, protocol, _, destination, size) in _VERSIONS.items():
        name = allowed_set(link, version)
        yield new_set(BRIDGE, name, (_ADDRESSES[version], PROTOCOL, SERVICE), INTERVAL)
        key = (_payload(destination, size), *_service(size))
        yield new_rule(BRIDGE, link, *_ether(protocol), *key, _in(name), _verdict(_ACCEPT))
    yield new_rule(BRIDGE, link, _verdict(_DROP))


def allowing_removal(link: str) -> Iterator[bytes]:
    """Yield the messages that remove it; nothing may lead to the chain by then."""
    yield chain_removal(BRIDGE, link)
    yield from (set_removal(BRIDGE, allowed_set(link, version)) for version in _VERSIONS)


def allowed_set(link: str, version: int) -> str:
    """Return the name of the set of what a container is allowed to reach by one version of IP."""
    return f"{link}-{version}"


def _of(version: int) -> Sequence[bytes]:
    return _meta(_META_NFPROTO), _compare(bytes([_VERSIONS[version][0]]))


def _ether(protocol: int) -> Sequence[bytes]:
    return _meta(_META_PROTOCOL), _compare(struct.pack(">H", protocol))


def _service(after: int) -> Sequence[bytes]:
    """Load protocol and port into the registers after so many bytes."""
    register = REG + after // 4
    return _meta(_META_L4PROTO, register), _payload(2, 2, _TRANSPORT, register + 1)


def _translate(version: int, which: str) -> Sequence[bytes]:
    family, _, _, _, size = _VERSIONS[version]
    port = REG + size // 4
    own = (number(1, 1), number(2, family), number(3, REG), number(4, REG), number(5, port), number(6, port))
    return _in(f"published{which}{version}", number(3, REG)), expression("nat", *own)


def _translated() -> Sequence[bytes]:
    return _ct(_CT_STATUS), _mask(struct.pack("=I", _TRANSLATED)), _compare(bytes(4), _DIFFERENT)


def _meta(key: int, register: int = REG) -> bytes:
    return expression("meta", number(2, key), number(1, register))


def _payload(offset: int, size: int, base: int = _NETWORK, register: int = REG) -> bytes:
    return expression("payload", number(1, register), number(2, base), number(3, offset), number(4, size))


def _ct(key: int) -> bytes:
    return expression("ct", number(2, key), number(1, REG))


def _fib() -> bytes:
    return expression("fib", number(3, _FIB_DESTINATION), number(2, _FIB_TYPE), number(1, REG))


def _mask(mask: bytes) -> bytes:
    size = len(mask)
    bits = (nested(4, attribute(1, mask)), nested(5, attribute(1, bytes(size))))
    return expression("bitwise", number(1, REG), number(2, REG), number(3, size), *bits)


def _compare(value: bytes, operator: int = _EQUAL) -> bytes:
    return expression("cmp", number(1, REG), number(2, operator), nested(3, attribute(1, value)))


def _range(first: int, last: int) -> bytes:
    ends = (nested(3, attribute(1, bytes([first]))), nested(4, attribute(1, bytes([last]))))
    return expression("range", number(1, REG), number(2, _EQUAL), *ends)


def _in(name: str, *more: bytes) -> bytes:
    return expression("lookup", attribute(1, name.encode("ascii") + b"\0"), number(2, REG), *more)


def _verdict(code: int) -> bytes:
    return expression("immediate", number(1, 0), nested(2, nested(2, number(1, code))))
