"""A bidder: learns its value, and bids by the terms of the house.

Content: `house`; `seats`, how many at a table are of its kind, where not all are; `percent`, for those who deviate: the
first bids the first of these percentages of an honest bid, the second the second, and so on in turn.
"""

ROUND = 4
BIDS = 1  # the minute of a round in which it bids


def step(observation):
    minutes = (BIDS - observation["tick"]) % ROUND
    if minutes:
        return {"op": "sleep", "for": f"{minutes}m"}
    return [{"op": "invoke", "artifact": me, "method": "take_part"}, {"op": "sleep", "for": f"{ROUND}m"}]


def take_part():
    """Asks for its value and bids, in one action."""
    this = read(me)["content"]
    terms = get_artifact_info(this["house"])["metadata"]
    number = int(me.split("_")[-1]) - 1
    grid = this.get("percent", [100])
    percent = grid[number % len(grid)]
    style = "honest" if percent == 100 else f"{percent}%"
    bid = _honest_bid(terms, invoke("sponsor", style, method="value")) * percent // 100
    table = number // this.get("seats", terms["bidders"])
    if bid > 0:
        invoke(this["house"], table, method="bid", pay=bid)


def _honest_bid(terms, value):
    """The value itself; where winners pay what they bid, less by just so much that it is the best reply to others who
    do the same."""
    return value if terms["rule"] == "uniform" else value * (terms["bidders"] - 1) // terms["bidders"]
