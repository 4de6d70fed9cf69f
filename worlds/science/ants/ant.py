"""An ant: changes its colour by itself now and then, or by that of an ant that it meets. Then it rests for a while.

The rest is exponentially distributed, so that at any moment each ant is the next with the same chance.
"""

import math


def step(observation):
    rest = {"op": "sleep", "for": f"{1 + int(-60_000 * math.log(1 - random()))}ms"}
    black, luck = observation["self"]["content"]["black"], random()
    new = black
    if luck < parameters["alone"]:
        new = 1 - black
    elif luck < parameters["alone"] + parameters["met"]:
        new = read(query("agents", sample=1)[0]["id"])["content"]["black"]
    return rest if new == black else [{"op": "write", "artifact": me, "content": {"black": new}}, rest]
