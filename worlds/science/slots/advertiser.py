"""An advertiser: lets itself be charged by the search engine, and now and then reconsiders its bid.

Balanced bidding (Cary et al. 2007): aim at the slot that is worth most at the prices that there are, and bid so much
that whoever is above gains nothing by pushing one down.
"""


def step(observation):
    value, clicks = observation["self"]["content"]["value"], parameters["clicks"]
    if observation["step"] == 0:
        most = value * clicks[0]
        mandate = {"op": "mandate", "to": "search", "per_call": most, "per_window": most, "window": "30s"}
        return [mandate, _bid(value)]
    if random() >= parameters["hurry"]:
        return None
    bids = invoke("search", method="bids")
    others = sorted((bid for bidder, bid in bids.items() if bidder != me), reverse=True)
    profits = [number * (value - price) for number, price in zip(clicks, others)]
    best = profits.index(max(profits))
    above = clicks[best - 1] if best else 2 * clicks[0]
    return _bid(max(value - profits[best] // above, 0) if profits[best] > 0 else value)


def _bid(amount):
    return {"op": "invoke", "artifact": "search", "method": "bid", "args": [amount]}
