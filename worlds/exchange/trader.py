"""A trader without intelligence: quotes at random, but never at a loss.

Its number says its floor and its seat (see market.py). Seats 0 to 4 are buyers, to whom one unit is
worth `values[seat]`; seats 5 to 9 are sellers, whom one unit costs `costs[seat - 5]`. A buyer bids a
whole number from 1 to its value, a seller asks one from its cost to `highest`, all equally likely.
"""

SEATS = 10
BUYERS = 5


def step(observation):
    this = observation["self"]
    if "traded" in this["storage_keys"]:
        return None
    if told_to_stop(observation["last"]):
        # A trader has one unit to trade. The note in its own storage is how it remembers.
        return {"op": "store", "key": "traded", "value": True}
    rules = this["content"]
    seat = (int(this["id"].split("_")[-1]) - 1) % SEATS
    if seat < BUYERS:
        price = draw(1, rules["values"][seat])
        # The bid is sent along: the market holds it until it is beaten or filled.
        return {"op": "invoke", "artifact": "market", "method": "bid", "pay": price}
    price = draw(rules["costs"][seat - BUYERS], rules["highest"])
    return {"op": "invoke", "artifact": "market", "method": "ask", "args": [price]}


def told_to_stop(last):
    return last is not None and last["ok"] and last["result"] == "traded"


def draw(low, high):
    return low + int(random() * (high - low + 1))
