"""The clerk serves one customer after another, a minute each on average, exponentially distributed."""

import math


def step(observation):
    # It sleeps for a time only while it serves.
    done = observation["woke"] == {"by": "time"}
    deeds = [{"op": "invoke", "artifact": "desk", "method": "serve"}] if done else []
    if invoke("desk", method="present") > done:
        return deeds + [{"op": "sleep", "for": f"{1 + int(-60_000 * math.log(1 - random()))}ms"}]
    return deeds + [{"op": "sleep", "event": "invoke", "filter": {"artifact": "desk", "detail": "join"}}]
