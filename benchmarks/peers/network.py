"""A network that has only loopback, for servers that can't be told which address to listen on."""

import ctypes
import fcntl
import socket
import struct
import sys

_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1


def alone() -> bool:
    """Puts this process, and what it starts from now on, into a network of its own; False where it may not.

    To be called before any thread is started and any socket opened: those stay where they are.
    """
    if sys.platform != "linux" or ctypes.CDLL(None).unshare(_CLONE_NEWNET) != 0:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
    return True
