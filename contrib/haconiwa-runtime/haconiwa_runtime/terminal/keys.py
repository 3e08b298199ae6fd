"""The keys that leave a terminal, and lets what runs there run on."""

from __future__ import annotations

from haconiwa_core.errors import DefinitionError, Problem

_CONTROL = "@abcdefghijklmnopqrstuvwxyz[\\]^_"


def parse_keys(text: str) -> bytes:
    r"""Return what a terminal sends for keys.

    Args:
        text: keys with commas between: a character, or ctrl- and a letter or one of @ [ \ ] ^ _; "" for none.

    Raises:
        DefinitionError: it is something else.
    """
    keys = bytearray()
    for key in text.split(",") if text else []:
        prefix, _, letter = key.rpartition("ctrl-")
        if len(key) == 1 and key.isascii():
            keys += key.encode()
        elif not prefix and len(letter) == 1 and letter in _CONTROL and key.startswith("ctrl-"):
            keys.append(_CONTROL.index(letter))
        else:
            hint = "write keys like a and ctrl-p with commas between"
            raise DefinitionError([Problem(f"--detach-keys {text!r}: {key!r} is no key", hint=hint)])
    return bytes(keys)


class DetachKeys:
    """Finds keys in what is typed, which may come in any pieces.

    Args:
        keys: as `parse_keys` gives them; none for b"".
    """

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def take(self, typed: bytes) -> tuple[bytes, bool]:
        """Return what is to be handed on, and whether the keys were typed; what follows them is dropped.

        The beginning of the keys is held back until it is clear that others follow.
        """
        data = self._held + typed
        self._held = b""
        if not self._keys:
            return data, False
        before, found, _ = data.partition(self._keys)
        if found:
            return before, True
        for length in range(min(len(self._keys) - 1, len(data)), 0, -1):
            if data.endswith(self._keys[:length]):
                self._held = data[-length:]
                return data[:-length], False
        return data, False
