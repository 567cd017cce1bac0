"""A first signal means: stop starting, give back. A second one: stop now, at once, with exit code 3."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from maint.plugin.controller import Controller
from maint.plugin.signals import SIGNALS, Signals

TWICE = """
import os, signal, sys, threading
from maint.plugin.signals import Signals

told = threading.Event()
signals = Signals(told.set, lambda: os.write(1, b"said last\\n"))
signals.install()
try:
    os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt as stopped:
    assert told.wait(10)
    print("giving back after", stopped, flush=True)
    os.kill(os.getpid(), signal.SIGHUP)
    print("never reached", flush=True)
"""

WORKER = """
import os
from maint.plugin.signals import SIGNALS
from maint.plugin.worker import leave_signals_to_the_controller

leave_signals_to_the_controller()
for number in SIGNALS:
    os.kill(os.getpid(), number)
print("still giving back")
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_interrupts_and_tells(number: signal.Signals) -> None:
    told = threading.Event()
    before = signal.getsignal(number)
    signals = Signals(told.set, lambda: None)
    signals.install()
    try:
        with pytest.raises(KeyboardInterrupt, match=number.name):
            os.kill(os.getpid(), number)
    finally:
        signals.restore()
    assert told.wait(10)
    assert signals.received == [number.name]
    assert signal.getsignal(number) is before


def test_a_signal_while_it_is_quiet_interrupts_nothing() -> None:
    told = threading.Event()
    signals = Signals(told.set, lambda: None)
    signals.install()
    signals.quiet.set()
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signals.restore()
    assert told.wait(10), "it is heard all the same"


def test_a_give_back_goes_on_to_its_end_and_then_the_run_stops() -> None:
    """Broken off in the middle, the alerts' give-back would overtake the servers'."""
    controller = Controller.__new__(Controller)
    controller.signals = Signals(lambda: None, lambda: None)
    controller.signals.install()
    try:
        teardown = controller.pytest_runtest_teardown()
        next(teardown)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
            teardown.send(None)
    finally:
        controller.signals.restore()
    assert not controller.signals.quiet.is_set()


def test_an_ignored_signal_is_heard_too() -> None:
    """A shell's `&` starts a process with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    signals = Signals(lambda: None, lambda: None)
    signals.install()
    try:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signals.restore()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.signal(signal.SIGINT, before)


def test_the_second_signal_ends_the_process_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 3, done.stderr
    assert done.stdout == "giving back after SIGTERM\nsaid last\n"


def test_a_worker_leaves_signals_to_the_controller() -> None:
    """Ctrl-C reaches it too, and execnet interrupts it five seconds after its controller has stopped."""
    done = subprocess.run([sys.executable, "-c", WORKER], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "still giving back\n"
