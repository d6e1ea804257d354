"""What can go wrong by the user's hand, and how it is reported: one line, no traceback."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from soundloom.common.signals import ENDING, end_by_signals_as_by_ctrl_c, was_interrupted

INTERRUPTED = 130  # the exit status: by Ctrl+C, or a signal that is handled like it
MAX_CHARACTERS = 300  # of what a library says; some quote all of a damaged file

# What an address may hold that nobody else is to read: user and password before the host (a path,
# as of a file, has none), and the values of such keys.
_CREDENTIALS = re.compile(
    r"(?i)(?P<before>://)(?!/)\S*(?=@)"
    r"|(?P<key>[?&;][\w-]*(?:pass|pwd|token|secret|odbc_connect)[\w-]*=)[^\s'\"&]*"
)


class SoundloomError(Exception):
    """A fault the user can mend. Its text names the file or key, the value and what is allowed."""


class UnusableAudio(SoundloomError):
    """A recording that cannot be used: unreadable, empty, silent, not finite, too short.

    Whoever gathers many recordings catches this, counts it and lists ``reason``; whoever asked
    for this very file lets it pass: its text names the file too.
    """

    def __init__(self, file: str | os.PathLike[str], reason: str) -> None:
        super().__init__(file, reason)  # both, so that it pickles on its way between processes
        self.file = file
        self.reason = reason

    def __str__(self) -> str:
        return f"{os.fspath(self.file)}: {self.reason}"


def without_credentials(text: str) -> str:
    """``text`` with ``***`` for user, password and tokens in the addresses that it quotes.

    All that is printed of errors goes through here: libraries quote the addresses they are given.
    """
    return _CREDENTIALS.sub(lambda found: f"{found['before'] or found['key']}***", text)


def first_line(error: Exception) -> str:
    """What an exception of some library says, cut to what fits into a warning."""
    line = (without_credentials(str(error)).strip() or type(error).__name__).splitlines()[0]
    return line if len(line) <= MAX_CHARACTERS else f"{line[:MAX_CHARACTERS]} …"


def warn(text: str) -> None:
    """Print on standard error what the user should know of, though nothing stops for it."""
    print(f"soundloom: warning: {text}", file=sys.stderr)


def warning_of(name: object) -> Callable[[str], None]:
    """A way to :func:`warn` of what is called ``name``."""
    return lambda text: warn(f"{name}: {text}")


def exit_with(error: Exception) -> NoReturn:
    """Print ``error`` as one line on standard error and leave with status 1.

    The traceback is printed as well when ``SOUNDLOOM_DEBUG`` is set (``--debug`` sets it).
    """
    if os.environ.get("SOUNDLOOM_DEBUG"):
        printed = "".join(traceback.format_exception(error))
        print(without_credentials(printed), end="", file=sys.stderr)
    line = " ".join(without_credentials(str(error)).split())
    print(f"soundloom: error: {line}", file=sys.stderr)
    raise SystemExit(1)


_SOON_SECONDS = 0.05


@contextmanager
def _no_interrupt_lost() -> Iterator[None]:
    """Interrupt again, soon, where an interrupt came while some object was being deleted.

    Python drops what is raised there, prints a traceback of it, and goes on as if nothing had been.
    """
    ended = threading.Event()
    former = sys.unraisablehook

    def again() -> None:
        handled = [s for s in (signal.SIGINT, *ENDING) if callable(signal.getsignal(s))]
        if handled and not ended.wait(_SOON_SECONDS):
            if sys.platform == "win32":
                signal.raise_signal(handled[0])
            else:  # at the thread that handles it, so that it does not go on waiting
                signal.pthread_kill(threading.main_thread().ident or 0, handled[0])

    def dropped(what: sys.UnraisableHookArgs) -> None:
        if issubclass(what.exc_type, KeyboardInterrupt):
            # By a thread: raised in here, it would be dropped as well.
            threading.Thread(target=again, daemon=True).start()
        else:
            former(what)

    sys.unraisablehook = dropped
    try:
        yield
    finally:
        ended.set()
        sys.unraisablehook = former


def say_interrupted() -> None:
    """What whoever interrupted is told."""
    print("soundloom: interrupted; nothing half-written was kept", file=sys.stderr)


def run_or_exit(action: Callable[[], object]) -> None:
    """Run ``action``; its :class:`SoundloomError`, ``OSError`` and lack of memory end in one line.

    So do Ctrl+C, SIGTERM and SIGHUP. A reader of what it prints that has had enough (``| head``) is
    no fault: status 0.
    """
    try:
        end_by_signals_as_by_ctrl_c()
        with _no_interrupt_lost():
            action()
        if sys.stdout:  # None where there is none (`>&-`)
            sys.stdout.flush()
    except BrokenPipeError:
        # Or Python complains on its own when it flushes once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except (KeyboardInterrupt, Exception) as error:
        if isinstance(error, KeyboardInterrupt) or was_interrupted():
            say_interrupted()
            raise SystemExit(INTERRUPTED) from None
        if isinstance(error, MemoryError):
            exit_with(SoundloomError(f"not enough memory: {first_line(error)}"))
        if isinstance(error, (SoundloomError, OSError)):
            exit_with(error)
        raise
