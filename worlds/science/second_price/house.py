"""The house: one unit a round, by sealed bids. The best bid wins, and pays the second best.

The house deals the values, and buys the unit from the winner for just its value, so that a gain is scrip.

Storage: `values` -> {bidder: value}; `bids` -> [[bidder, amount]]; `book` -> {"rounds", "price", bidder: its gain}
"""

TOP = 10_000


def value():
    """The value of this round's unit for the caller, who learns no other."""
    return storage_get("values")[call["caller"]]


def bid():
    storage_set("bids", storage_get("bids", []) + [[call["caller"], call["paid"]]])


def deal():
    """Draws the values of a round. A hook."""
    storage_set("values", {agent["id"]: 1 + int(random() * TOP) for agent in query("agents")})


def fall():
    """Ends a round: the losers have their bids back. A hook."""
    bids, values, book = storage_get("bids", []), storage_get("values"), storage_get("book", {"rounds": 0, "price": 0})
    bids.sort(key=lambda bid: -bid[1])
    winner, amount = bids[0]
    price = bids[1][1]
    pay(winner, amount - price + values[winner])
    for loser, amount in bids[1:]:
        pay(loser, amount)
    book["rounds"] += 1
    book["price"] += price
    book[winner] = book.get(winner, 0) + values[winner] - price
    storage_set("book", book)
    storage_delete("bids")


# Measures, as shares of the highest value.


def price():
    return _mean("price")


def honest_gain():
    return _mean(*[bidder for bidder in storage_get("values") if bidder != "deviator"])


def deviator_gain():
    return _mean("deviator")


def _mean(*names):
    book = storage_get("book")
    return sum(book.get(name, 0) for name in names) / len(names) / book["rounds"] / TOP
