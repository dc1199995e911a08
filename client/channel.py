"""What a channel is opened with, sync or aio: credentials, limits, keepalive and gRPC's own retries."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

DEFAULT_TIMEOUT_S = 60.0
DEFAULT_RETRIES = 3
DEFAULT_KEEPALIVE_S = 30.0
DEFAULT_MAX_REPLY_BYTES = 256 * 2**20

# gRPC makes at most five attempts, whatever the service config says.
MAX_RETRIES = 4
# gRPC retries only what it has kept, by default 256 KiB of a request: too little for a recording.
_RETRY_BUFFER_BYTES = 256 * 2**20
_KEEPALIVE_TIMEOUT_S = 10.0
# gRPC's own two minutes would let a server that came back wait that long.
_MAX_RECONNECT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Tls:
    """How the channel is encrypted. All of it is optional: `Tls()` trusts the roots that come with gRPC.

    `ca` holds the trusted root certificates, `certificate` and `key` the client's own chain and its private key where
    the server asks for one; all are PEM. `server_name` is the name that the server's certificate must bear, where it
    differs from the target's.
    """

    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: give both or neither")


def channel_credentials(tls: Tls) -> grpc.ChannelCredentials:
    """The channel credentials for these settings."""
    return grpc.ssl_channel_credentials(tls.ca, tls.key, tls.certificate)


def channel_options(
    *, tls: Tls | None, retries: int, keepalive_s: float | None, max_reply_bytes: int
) -> Sequence[tuple[str, Any]]:
    """The channel's options. Raises ValueError for retries outside 0 to 4."""
    chosen: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", max_reply_bytes),
        ("grpc.per_rpc_retry_buffer_size", _RETRY_BUFFER_BYTES),
        ("grpc.max_reconnect_backoff_ms", round(_MAX_RECONNECT_S * 1000)),
        ("grpc.service_config", service_config(retries)),
    ]
    if keepalive_s is not None:
        chosen.append(("grpc.keepalive_time_ms", round(keepalive_s * 1000)))
        chosen.append(("grpc.keepalive_timeout_ms", round(_KEEPALIVE_TIMEOUT_S * 1000)))
    if tls is not None and tls.server_name is not None:
        chosen.append(("grpc.ssl_target_name_override", tls.server_name))
    return chosen


def service_config(retries: int) -> str:
    """The gRPC service config, JSON: which statuses are tried again, how often and how soon."""
    if not 0 <= retries <= MAX_RETRIES:
        raise ValueError(f"retries can't be {retries}; use 0 to {MAX_RETRIES}")
    if retries == 0:
        return "{}"
    policy = {
        "maxAttempts": retries + 1,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        # Both say that the server did not begin the call.
        "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
    }
    return json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]})


def deadline_s(timeout_s: float | None, default_s: float | None) -> float | None:
    """Seconds that gRPC gives a call, None for no limit: its own timeout, else the client's; infinity is no limit."""
    chosen = default_s if timeout_s is None else timeout_s
    return None if chosen is None or chosen == math.inf else chosen
