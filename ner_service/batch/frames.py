"""Frames between a job and its workers: a kind, a length and as many bytes."""

import struct
from typing import BinaryIO

_LENGTH = struct.Struct(">cQ")
RESULT, ERROR = b"R", b"E"


def send(stream: BinaryIO, kind: bytes, data: bytes) -> None:
    """Write one frame."""
    stream.write(_LENGTH.pack(kind, len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """Read one frame; None at the end, or where the other side broke off."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    kind, length = _LENGTH.unpack(head)
    data = stream.read(length)
    return (kind, data) if len(data) == length else None
