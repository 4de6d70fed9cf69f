"""Gives one coin to somebody else drawn at random, then naps for a random while.

The nap is exponentially distributed, so who acts next is as random as who is given to: at any moment
each agent is the next with the same chance, whatever happened before.
"""

import math

MEAN_NAP_MS = 60000


def step(observation):
    nap = {"op": "sleep", "for": f"{1 + int(-MEAN_NAP_MS * math.log(1 - random()))}ms"}
    if observation["self"]["scrip"] == 0:
        return nap
    other = query("agents", sample=1)[0]
    return [{"op": "transfer", "to": other["id"], "amount": 1}, nap]
