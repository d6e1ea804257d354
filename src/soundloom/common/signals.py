"""Signals that end a program end it as Ctrl+C does: what was begun is cleaned up.

Nothing heavy is imported here, as it is what ``src/stage.py`` begins with.
"""

from __future__ import annotations

import signal

# Beside Ctrl+C's; not every system has the second.
ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

_came = False


def interrupt(*_: object) -> None:
    """Handle a signal: raise ``KeyboardInterrupt``."""
    global _came
    _came = True
    raise KeyboardInterrupt


def was_interrupted() -> bool:
    """Whether :func:`interrupt` was called since :func:`end_by_signals_as_by_ctrl_c` was.

    Code in C that is interrupted may report it as an error of its own, as NumPy's import does.
    """
    return _came


def end_by_signals_as_by_ctrl_c() -> None:
    """Have :func:`interrupt` handle Ctrl+C's and :data:`ENDING`, in the main thread.

    Where the user has one ignored, as `nohup` does, it stays ignored; one that is handled in
    another way stays so, too.
    """
    global _came
    _came = False
    for sign in (signal.SIGINT, *ENDING):
        if signal.getsignal(sign) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(sign, interrupt)


def ignore_all() -> None:
    """Let nothing interrupt what is to be done at the end."""
    for sign in (signal.SIGINT, *ENDING):
        signal.signal(sign, signal.SIG_IGN)
