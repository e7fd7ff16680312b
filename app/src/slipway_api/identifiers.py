"""Identifiers of items: UUID version 7 (RFC 9562)."""

from __future__ import annotations

import os
import time
from uuid import UUID


def new() -> UUID:
    """Return an identifier that sorts by its time of creation.

    48 bits of Unix time in milliseconds, then 74 random bits. Sorted identifiers keep inserts at
    one end of the primary key's index and give lists a stable order.
    """
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value &= ~(0xF << 76 | 0x3 << 62)
    value |= 0x7 << 76 | 0x2 << 62
    return UUID(int=value)
