"""Tells an error in one line: its kind, what it says, and where in whose code it was raised."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from types import TracebackType

from roost.errors import RoostError
from roost.runtime._secret import without_passwords

_OWN = str(Path(__file__).parents[1]) + os.sep
_OTHERS = tuple({path + os.sep for name, path in sysconfig.get_paths().items() if name in ("stdlib", "platstdlib", "purelib", "platlib")})


def reason_of(error: BaseException) -> str:
    """Return what a person needs to know of an error that somebody else's code raised; roost's own say it themselves.

    Passwords in URLs are hidden. Of a group the errors in it are told.
    """
    if isinstance(error, RoostError):
        return error.message
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(reason_of(one) for one in _leaves(error))
    text = text_of(error)
    told = f"{type(error).__name__}: {text}" if text else type(error).__name__
    place = _place(error.__traceback__)
    return f"{told} ({place})" if place else told


def text_of(error: BaseException) -> str:
    """Return what an error says, without passwords; nothing where it can't say it."""
    try:
        return without_passwords(str(error))
    except Exception:  # noqa: BLE001 -- an error whose text can't be made is still to be told of
        return ""


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [leaf for one in group.exceptions for leaf in (_leaves(one) if isinstance(one, BaseExceptionGroup) else [one])]


def _place(traceback: TracebackType | None) -> str:
    """Return the innermost line that is neither roost's nor of an installed package, such as ``app.py:7 in Mailer.start``."""
    place = ""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith((_OWN, *_OTHERS)):
            place = f"{_short(code.co_filename)}:{traceback.tb_lineno} in {code.co_qualname}"
        traceback = traceback.tb_next
    return place


def _short(path: str) -> str:
    return path.removeprefix(str(Path.cwd()) + os.sep)
