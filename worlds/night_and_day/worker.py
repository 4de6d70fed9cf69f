"""Works while the market is open, each at its own pace; naps until it opens when it is closed.

The content says how: `pace` between two pieces of work, `buys` how much fuel at a time and `reserve` how
little is left when it does, or `pledge`, the share of its wages that it would give to be rescued.
"""


def step(observation):
    how = observation["self"]["content"]
    if not query("artifact", artifact="market")["metadata"]["open"]:
        return {"op": "sleep", "event": "invoke", "filter": {"artifact": "market", "detail": "open"}}
    ops = []
    if "pledge" in how and observation["step"] < 2:
        ops.append({"op": "invoke", "artifact": "market", "method": "pledge", "args": [how["pledge"]]})
    fuel = observation["self"]["resources"]["fuel"]["capacity"]
    if fuel < how.get("reserve", 0) and observation["self"]["scrip"] >= how["buys"]:
        ops.append({"op": "invoke", "artifact": "market", "method": "buy_fuel", "pay": how["buys"]})
    ops.append({"op": "invoke", "artifact": "market", "method": "work"})
    ops.append({"op": "sleep", "for": how["pace"]})
    return ops
