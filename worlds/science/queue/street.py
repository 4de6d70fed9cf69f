"""The street sends a customer in, and the next one after an exponentially distributed while."""

import math


def step(observation):
    gap = 1 + int(-60_000 / parameters["load"] * math.log(1 - random()))
    return [{"op": "invoke", "artifact": "desk", "method": "join"}, {"op": "sleep", "for": f"{gap}ms"}]
