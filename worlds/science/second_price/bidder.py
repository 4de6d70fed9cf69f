"""A bidder: bids a share of a unit's value to it, all of the value unless its content says otherwise."""


def step(observation):
    value = invoke("house", method="value")
    percent = parameters["deviation"] if me == "deviator" else 100
    bid = value * percent // 100
    return {"op": "invoke", "artifact": "house", "method": "bid", "pay": bid} if bid else None
