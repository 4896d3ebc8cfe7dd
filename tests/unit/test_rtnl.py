"""What of the kernel's answers by rtnetlink counts; that they are read is seen in tests/real."""

from __future__ import annotations

import _socket
import socket
import struct
from collections.abc import Iterator

import pytest

from dnet.host.rtnl import Channel

DONE, INTERRUPTED = 3, 0x10  # NLMSG_DONE, NLM_F_DUMP_INTR


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The other end of the socket of every channel."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    monkeypatch.setattr(_socket, "socket", lambda *_: near)
    near.setblocking(False)
    far.setblocking(False)
    with near, far:
        yield far


def end_of_answer(sequence: int, flags: int = 0) -> bytes:
    """A struct nlmsghdr with the status 0 behind it."""
    return struct.pack("=IHHIIi", 20, DONE, flags, sequence, 0, 0)


def test_what_changed_at_the_very_end_of_an_answer_is_asked_for_again(
    kernel: socket.socket,
) -> None:
    kernel.send(end_of_answer(1, INTERRUPTED))
    kernel.send(end_of_answer(2))
    assert Channel().links() == []
    sequences = [struct.unpack_from("=IHHI", kernel.recv(4096))[3] for _ in range(2)]
    assert sequences == [1, 2]
