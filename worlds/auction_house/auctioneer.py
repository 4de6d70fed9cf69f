"""The auctioneer: lets the hammer fall in all houses of the sponsor, in the last minute of each round."""

ROUND = 4
FALLS = 3


def step(observation):
    minutes = (FALLS - observation["tick"]) % ROUND
    if minutes:
        return {"op": "sleep", "for": f"{minutes}m"}
    return [{"op": "invoke", "artifact": me, "method": "let_fall"}, {"op": "sleep", "for": f"{ROUND}m"}]


def let_fall():
    for house in read("sponsor")["content"]["houses"]:
        invoke(house, method="hammer")
