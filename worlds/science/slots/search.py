"""The search engine: sells its slots by the bids for a click. A slot costs the next lower bid for each click.

Storage: `bids` -> {bidder: amount}; `revenue` -> what the last round brought
"""


def bid(amount):
    storage_set("bids", {**bids(), call["caller"]: amount})


def bids():
    return storage_get("bids", {})


def serve():
    """Charges for the clicks of a round. A hook."""
    ranking = sorted(bids().items(), key=lambda bid: -bid[1])
    revenue = 0
    for (bidder, _), (_, price), clicks in zip(ranking, ranking[1:], parameters["clicks"]):
        if price:
            charge(bidder, price * clicks, reason="clicks")
        revenue += price * clicks
    storage_set("revenue", revenue)


def revenue():
    return storage_get("revenue", 0)
