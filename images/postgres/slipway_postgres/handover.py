"""Handing the lead over before a pod ends."""

import time

from .rest import Rest, RestError

# Longer than a healthy switchover takes, shorter than the pod's grace period.
PATIENCE = 30.0


def hand_over(rest: Rest, name: str, patience: float = PATIENCE) -> str:
    """Switch over to another member if this one leads, and say what happened.

    Patroni also gives the lead away when it is told to stop, but it first
    stops and then looks for a successor; a switchover is refused when nobody
    can take over, and otherwise a named successor is waiting. Nothing raised
    here may keep the pod from ending: a refusal is only reported.
    """
    deadline = time.monotonic() + patience
    try:
        if not rest.is_leader():
            return "not the leader, nothing to hand over"
        # The answer comes when the switchover is over.
        status, text = rest.call("POST", "/switchover", {"leader": name}, timeout=patience)
        if status != 200:
            return f"no switchover ({status}: {text.strip()}); stopping as the leader"
        while rest.is_leader():
            if time.monotonic() > deadline:
                return "still the leader after a switchover; stopping as the leader"
            time.sleep(0.2)
    except RestError as error:
        return f"no switchover: {error}"
    return "handed over: " + text.strip()
