"""One thing that is tried from inside a container, and how it has turned out."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from haconiwa_verify.prober import Answer, NoAnswerError, Prober
from haconiwa_verify.scene import Scene

Words = tuple[str | int, ...]

NO_MEANS = -errno.ENODATA
"""What a probe answers that finds nothing to try it on."""

_REFUSED = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EROFS)


class Attempt(NamedTuple):
    """Something that a container is tried to be kept from.

    Args:
        name: a key that stays what it is.
        what: is tried, in a few words.
        words: for the probe; a text instead is why it cannot be tried.
        succeeded: whether it was done, by what the probe has found and by what is seen outside.
        rows: of the matrix, each of which promises that it is denied.
        control: it is tried on the host, too, if it was denied inside.
        exhausting: it takes all that there is of something.
    """

    name: str
    what: str
    words: Callable[[Scene], Words | str]
    succeeded: Callable[[Answer, Scene], bool]
    rows: Callable[[Scene], Iterable[str]]
    control: bool = True
    exhausting: bool = False


class Outcome(NamedTuple):
    """How an attempt has turned out. Texts are for people; `name` and `result` are stable.

    Args:
        name, what: of the attempt.
        result: "denied"; "succeeded"; "untold" where it says nothing about the container; "unanswered" where the probe
            has not told.
        how: the error that has denied it, or why it is untold.
        rows: that promise that it is denied, by their keys.
    """

    name: str
    what: str
    result: Literal["denied", "succeeded", "untold", "unanswered"]
    how: str
    rows: tuple[str, ...]


def tried(attempt: Attempt, inside: Prober, scene: Scene) -> Outcome:
    """Try something from inside, and on the host if it was denied.

    Args:
        attempt: what is tried.
        inside: a probe in the container.
        scene: what lies on the host.
    """

    def outcome(result: Literal["denied", "succeeded", "untold", "unanswered"], how: str) -> Outcome:
        return Outcome(attempt.name, attempt.what, result, how, tuple(dict.fromkeys(attempt.rows(scene))))

    words = attempt.words(scene)
    if isinstance(words, str):
        return outcome("untold", words)
    try:
        answer = inside.ask(*words)
    except NoAnswerError as error:
        return outcome("unanswered", str(error))
    if answer.result == NO_MEANS and not answer.signal:
        return outcome("untold", "there is nothing to try it on")
    if attempt.succeeded(answer, scene):
        return outcome("succeeded", "")
    if attempt.control:
        control = scene.host.prober.ask(*words)
        if not attempt.succeeded(control, scene):
            return outcome("untold", f"cannot fail here: on the host it is {describe(control)}, too")
    return outcome("denied", describe(answer))


def describe(answer: Answer) -> str:
    """Return what has kept an attempt from success: the name of an error or a signal, "no effect" without either."""
    if answer.signal:
        known = answer.signal in {*signal.Signals}
        return signal.Signals(answer.signal).name if known else f"signal {answer.signal}"
    return "no effect" if answer.result >= 0 else errno.errorcode.get(-answer.result, str(answer.result))


def permitted(answer: Answer, _scene: Scene) -> bool:
    """Whether rights were not missing: what a call is refused for otherwise is looked at after them."""
    return not answer.signal and (answer.result >= 0 or -answer.result not in _REFUSED)


def completed(answer: Answer, _scene: Scene) -> bool:
    """Whether the attempt came to its end without an error."""
    return not answer.signal and answer.result >= 0


def told(answer: Answer, scene: Scene) -> bool:
    """Whether the attempt has found the token."""
    return scene.holds_token(answer)
