"""Patroni with two corrections.

Divided timelines are one, see divergence.py. The other: where a new cluster
starts in strict quorum mode, Patroni 4.1 asks for standbys without saying how
many: it writes "ANY None (*)", which PostgreSQL refuses to read. Until the first
standby is registered, ten seconds later, commits then return without any standby
having them. A member that starts again within that time would not come up at all.
"""

import sys
import warnings
from collections.abc import Collection
from functools import wraps
from typing import Any


def correct(handler: type[Any]) -> None:
    """Let a handler of synchronous standbys read "any standby" as one."""
    original = handler.set_synchronous_standby_names

    @wraps(original)
    def set_names(self: Any, sync: Collection[str], num: int | None = None) -> None:
        if num is None and "*" in sync:
            num = 1
        original(self, sync, num)

    handler.set_synchronous_standby_names = set_names


if __name__ == "__main__":
    from patroni.__main__ import main
    from patroni.postgresql.connection import get_connection_cursor
    from patroni.postgresql.rewind import REWIND_STATUS, Rewind
    from patroni.postgresql.sync import SyncHandler

    from . import divergence

    correct(SyncHandler)
    divergence.correct(Rewind, REWIND_STATUS, get_connection_cursor)
    # Advice to Patroni's authors, repeated for every member that is asked.
    warnings.filterwarnings("ignore", category=FutureWarning, module="urllib3")
    sys.argv[0] = "patroni"
    main()
