"""How a command reaches its server: an address, and TLS where any of its files is given."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from savor.client import Client, Tls, connect
from savor.server.cli.failures import Unusable, reporting
from savor.server.cli.inputs import read_file


@dataclass(frozen=True)
class Connection:
    """The server's HOST:PORT, the seconds that a call may take, and the PEM files of an encrypted channel."""

    server: str
    timeout_s: float
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def tls(self) -> Tls | None:
        """How the channel is encrypted, None where no file is given. Raises Unusable for what can't be used."""
        if not (self.ca or self.cert or self.key):
            return None
        if not (self.cert and self.key) and (self.cert or self.key):
            raise Unusable("--cert and --key go together: give both or neither")
        return Tls(ca=_content(self.ca), certificate=_content(self.cert), key=_content(self.key))


def _content(file: Path | None) -> bytes | None:
    return read_file(file, "it must be a PEM file") if file else None


@contextmanager
def connected(connection: Connection) -> Iterator[Client]:
    """A client of the server; every failure within is reported as that command's."""
    with reporting(connection.server):
        # gRPC would take another port than Savor's.
        if ":" not in connection.server:
            raise Unusable(f"--server takes HOST:PORT, such as {connection.server or '127.0.0.1'}:8500")
        with connect(connection.server, tls=connection.tls(), timeout_s=connection.timeout_s) as client:
            yield client
