"""Waits until somebody freezes for want of fuel, sends some, and claims the pledged share."""


def step(observation):
    last = observation["last"]
    rescued = [event["to"] for event in last["events"] if event["type"] == "rescue"] if last else []
    if rescued:
        return [
            {"op": "invoke", "artifact": "market", "method": "claim", "args": [rescued[0]]},
            {"op": "sleep", "event": "freeze"},
        ]
    frozen = [event["actor"] for event in observation["events"] if event["type"] == "freeze"]
    lends = observation["self"]["content"]["lends"]
    if frozen and observation["self"]["resources"]["fuel"]["capacity"] > lends:
        return {"op": "transfer", "to": frozen[0], "amount": lends, "resource": "fuel"}
    return {"op": "sleep", "event": "freeze"}
