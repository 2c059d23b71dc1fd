"""Whether a Ray cluster answers at an address, asked in a process of its own.

Ray itself tries for minutes, and prints a line at each try, where something else answers or where
a token is missing.
"""

from __future__ import annotations

import socket
import subprocess
import sys

from benchmark.errors import InputError

_CONNECTS = 5.0
"""Seconds in which an address takes a connection."""

_ANSWERS = 20.0
"""Seconds in which a cluster answers, the start of the process that asks among them."""

_ASK = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1])"


def check_address(address: str | None) -> None:
    """Refuse an address at which no cluster is that takes this machine.

    Args:
        address: ``host:port``; None or ``auto`` where Ray finds or starts the cluster.

    Raises:
        InputError: it is of another form, nothing or something else answers, or a token is missing.
    """
    if address in (None, "auto"):
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in address:
        raise InputError(
            f"--ray-address {address}: neither auto nor host:port; run on a node of the cluster"
        )
    check_answers(address, address)
    fault = _fault(address)
    if fault is not None:
        raise InputError(f"--ray-address {address}: {fault}")


def check_answers(given: str, address: str) -> None:
    """Refuse an address that takes no connection.

    Args:
        given: of the option, which may be ``auto``.
        address: what it stands for, ``host:port``. Ray remembers that of a cluster which died.

    Raises:
        InputError: nothing answers.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECTS).close()
    except (OSError, OverflowError) as error:
        there = "there" if given == address else f"at {address}"
        raise InputError(
            f"--ray-address {given}: no Ray cluster answers {there} ({error}); start one with "
            "'ray start --head', or leave the option out for one of this machine"
        ) from error


def _fault(address: str) -> str | None:
    """Return why what answers at an address is no cluster for this machine; None if it is one."""
    ask = [sys.executable, "-P", "-c", _ASK, address]
    try:
        done = subprocess.run(ask, capture_output=True, encoding="utf-8", timeout=_ANSWERS)
    except subprocess.TimeoutExpired:
        return "what answers there is no Ray cluster; give the port that 'ray start --head' names"
    if "AuthenticationError" in done.stderr:
        return (
            "the cluster asks for a token; set RAY_AUTH_MODE=token, with the head's "
            "~/.ray/auth_token on each machine"
        )
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2]
        return f"no Ray cluster is reached ({last or f'exit code {done.returncode}'})"
    return None
