"""A wire: one TCP connection, plain or TLS, that never blocks once it stands."""

import socket
import ssl
from contextlib import suppress

_PIECE = 65_536
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Broken(OSError):
    """The connection is no more."""


class Wire:
    """Made by connecting, within `seconds`; raises OSError (ssl.SSLError is one) with the reason."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, seconds: float) -> None:
        connected = socket.create_connection((host, port), timeout=seconds)
        try:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected.getpeername()  # raises when it is gone again, of which TLS would leave an open socket behind
            self._socket = tls.wrap_socket(connected, server_hostname=host) if tls else connected
            self._socket.setblocking(False)
        except BaseException:
            connected.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    def send(self, out: bytearray) -> None:
        """Send as much of `out` as goes now and take it off; raise Broken."""
        while out:
            try:
                del out[: self._socket.send(out)]
            except _LATER:
                return
            except OSError as error:
                raise Broken(f"sending failed: {error.strerror or type(error).__name__}") from error

    def receive(self) -> bytes:
        """Return what has arrived, nothing when that was not for us; raise Broken at the end."""
        pieces = []
        try:
            while piece := self._socket.recv(_PIECE):
                pieces.append(piece)
                # Receipts are answered once they are kept. Meanwhile a carrier that gathers small packets (Nagle) would
                # hold back its next answers, 40 ms each time, for an acknowledgement that waits for company of its own.
                with suppress(OSError):  # it has ended meanwhile, which the next call meets
                    self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                if len(piece) < _PIECE and not (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
                    return b"".join(pieces)
        except _LATER:
            return b"".join(pieces)
        except OSError as error:
            raise Broken(f"receiving failed: {error.strerror or type(error).__name__}") from error
        if pieces:
            return b"".join(pieces)  # the end is met once more, at the next call
        raise Broken("the carrier closed the connection")

    def close(self) -> None:
        """Close it, whatever state it is in."""
        with suppress(OSError):
            self._socket.close()
