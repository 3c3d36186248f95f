"""The embedded Valkey: the doorbell, on a Unix socket only; it keeps nothing on disk because nothing depends on it."""

import signal
from pathlib import Path
from urllib.parse import quote

from gateway.embedded.place import StartError
from gateway.embedded.server import Server


class Valkey(Server):
    """Valkey without persistence: what it holds may be lost at any moment."""

    name = "Valkey"
    program = "valkey-server"
    stop_signals = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))
    start_seconds = 10.0

    @property
    def folder(self) -> Path:
        """An empty folder, there to recognise the process by."""
        return self.place.folder / "valkey"

    @property
    def socket(self) -> Path:
        """The socket that clients connect to."""
        return self.place.sockets / "valkey.sock"

    @property
    def url(self) -> str:
        """Valkey as a unix:// URL."""
        return f"unix://{quote(str(self.socket))}"

    def answers(self) -> bool:
        """Tell whether a PING is answered."""
        import redis  # not where Valkey is somebody else's: `services` then leaves this one alone
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        # redis-py would try again for seconds by itself; here "not yet" is an answer.
        client = redis.Redis(
            unix_socket_path=str(self.socket), socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def settle(self) -> None:
        """Wait for a Valkey that is starting; one that hangs is ended, since nothing is lost with it."""
        try:
            super().settle()
        except StartError as hanging:
            self._log(f"{hanging}; ending it")
            self.stop()

    def prepare(self) -> None:
        """Make the folder."""
        self.place.own_folder(self.folder)

    def command(self) -> list[str]:
        """Return the server's command line."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
            "logfile": "",
            "dir": str(self.folder),
        }
        return [
            str(self.place.programs.valkey),
            *(word for key, value in options.items() for word in (f"--{key}", value)),
        ]
