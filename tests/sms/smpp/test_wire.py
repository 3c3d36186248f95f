"""The wire: what goes wrong while it is made leaves nothing open."""

import gc
import socket
import ssl
import struct
import warnings

import pytest

from sms.smpp import wire
from sms.smpp.wire import Wire
from tests.sms.smpp.peers import wait


def test_a_peer_that_is_gone_before_tls_begins_leaves_no_open_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it resets instead of saying so
    theirs.close()
    wait(lambda: not _is_connected(ours), "the reset")
    monkeypatch.setattr(wire.socket, "create_connection", lambda *_, **__: ours)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(OSError):  # noqa: PT011 - whatever the system calls it
            Wire("127.0.0.1", 1, ssl.create_default_context(), 1.0)
        gc.collect()
    assert [str(one.message) for one in said] == []
    assert ours.fileno() == -1


def _is_connected(one: socket.socket) -> bool:
    try:
        one.getpeername()
    except OSError:
        return False
    return True
