"""Handles signals other than SIGINT and SIGTERM, which the server handles; the same for one process or several."""

import signal

SHUTDOWN = [getattr(signal, name) for name in ("SIGHUP", "SIGQUIT") if hasattr(signal, name)]
IGNORED = [getattr(signal, name) for name in ("SIGUSR1", "SIGUSR2", "SIGTTIN", "SIGTTOU") if hasattr(signal, name)]


def handle_signals() -> None:
    """Treat SIGHUP and SIGQUIT as SIGTERM, and ignore the other signals that end or stop a process by default.

    Replaces default actions only, so that `nohup` works: it starts a process with SIGHUP ignored.
    """
    for number in SHUTDOWN:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGTERM))
    for number in IGNORED:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.SIG_IGN)
