"""market: continuous double auctions for single units, on as many floors as there are tens of traders.

Traders 1 to 10 meet on floor 0, traders 11 to 20 on floor 1, and so on. Each floor keeps only its best
bid and its best ask; a quote that does not better its side has no effect. When a bid reaches the ask,
both trade at the price of the quote that was there first, and the floor's book is empty again.

A bid is scrip in the market's hands. It goes to the seller when it is filled, less what the price
saves the buyer, and back to the bidder when it is beaten.

Storage: `floor_N` -> {"bid": [trader, price] or None, "ask": likewise, "trades": [[buyer, seller, price], ...]}
"""

SEATS = 10
BUYERS = 5


def bid():
    """Bids the scrip sent along for one unit. Returns "best", "beaten" or "traded"."""
    trader, price = call["caller"], call["paid"]
    if price < 1:
        raise ValueError("a bid is the scrip sent along as `pay`; nothing was sent")
    key, floor = floor_of(trader)
    best = floor["bid"]
    if has_traded(floor, trader):
        pay(trader, price)
        return "traded"
    if best is not None and price <= best[1]:
        pay(trader, price)
        return "beaten"
    if best is not None:
        pay(best[0], best[1])
    floor["bid"] = [trader, price]
    # The ask was there first, so its price holds.
    return _close(key, floor, floor["ask"])


def ask(price):
    """Offers one unit at a price. Returns "best", "beaten" or "traded"."""
    trader = call["caller"]
    key, floor = floor_of(trader)
    best = floor["ask"]
    if has_traded(floor, trader):
        return "traded"
    if best is not None and price >= best[1]:
        return "beaten"
    floor["ask"] = [trader, price]
    return _close(key, floor, floor["bid"])


def _close(key, floor, earlier):
    """Trades at the earlier quote's price if bid and ask meet, and keeps the floor."""
    bid, ask = floor["bid"], floor["ask"]
    state = "best"
    if bid is not None and ask is not None and bid[1] >= ask[1]:
        price = earlier[1]
        pay(ask[0], price)
        if bid[1] > price:
            pay(bid[0], bid[1] - price)
        floor["trades"].append([bid[0], ask[0], price])
        floor["bid"] = None
        floor["ask"] = None
        state = "traded"
    storage_set(key, floor)
    return state


def floor_of(trader):
    key = "floor_" + str((number(trader) - 1) // SEATS)
    return key, storage_get(key, {"bid": None, "ask": None, "trades": []})


def number(trader):
    return int(trader.split("_")[-1])


def has_traded(floor, trader):
    return any(trader in trade[:2] for trade in floor["trades"])


# Measures. They look at the trades from outside: the worth of a unit to a trader and its cost is
# the traders' private affair, and the market never uses it to trade.


def efficiency():
    """Realised surplus as a share of the greatest possible one, on average over the floors."""
    rules = read(me)["content"]
    values, costs = rules["values"], rules["costs"]
    surplus = 0
    floors = storage_list("floor_")
    for key in floors:
        for buyer, seller, price in storage_get(key)["trades"]:
            surplus += values[seat(buyer)] - costs[seat(seller) - BUYERS]
    most = max_surplus(values, costs) * len(floors)
    return surplus / most if most > 0 else 0.0


def mean_price():
    """The average price of all trades."""
    prices = [trade[2] for key in storage_list("floor_") for trade in storage_get(key)["trades"]]
    return sum(prices) / len(prices) if prices else 0.0


def trades_per_floor():
    """How many units changed hands, on average over the floors."""
    floors = storage_list("floor_")
    return sum(len(storage_get(key)["trades"]) for key in floors) / max(1, len(floors))


def seat(trader):
    return (number(trader) - 1) % SEATS


def max_surplus(values, costs):
    pairs = zip(sorted(values, reverse=True), sorted(costs))
    return sum(max(0, value - cost) for value, cost in pairs)
