"""A spy: sits down beside a bidder, asks all there is to ask, and bids late.

Before the bids it asks everything that may tell of its rival, and asks again after them, when it bids. How far a number
has moved in between may be the rival's bid. The spy doesn't know which number would tell. It finds out: the published
price is sometimes the rival's bid, and then it compares. A number that was right twice more often than wrong it
believes. If that says less than its value, it bids one more. As long as it believes nothing, it bids as the honest do.

Its own storage: `before` -> what it was told before the bids; `moved` -> {number: how far}; `right` -> {number: how
much more often right than wrong}.
"""

import json
import re

ROUND = 4
LOOKS = 0  # the minute before the bids
BIDS = 2  # the minute after those of the others
BELIEF = 2


def step(observation):
    minute = observation["tick"] % ROUND
    if minute not in (LOOKS, BIDS):
        return {"op": "sleep", "for": "1m"}
    method = "look_round" if minute == LOOKS else "bid_late"
    return [{"op": "invoke", "artifact": me, "method": method}, {"op": "sleep", "for": "2m"}]


def look_round():
    house, table = _place()
    result = invoke(house, table, method="result")
    if result is None:
        return
    _learn(house, result["prices"])
    rivals = [bidder for bidder in result["bidders"] if bidder != me]
    storage_set("before", {"rival": rivals[0], "told": _told(rivals[0], house, table)})


def bid_late():
    house, table = _place()
    value = invoke("sponsor", "spy", method="value")
    terms = get_artifact_info(house)["metadata"]
    bid = value if terms["rule"] == "uniform" else value * (terms["bidders"] - 1) // terms["bidders"]
    before = storage_get("before")
    if before is not None:
        after = _told(before["rival"], house, table)
        moved = {name: abs(after[name] - number) for name, number in before["told"].items() if name in after}
        storage_set("moved", moved)
        right = storage_get("right", {})
        believed = sorted([times, name] for name, times in right.items() if times >= BELIEF and name in moved)
        if believed and moved[believed[-1][1]] < value:
            bid = moved[believed[-1][1]] + 1
    if bid > 0:
        invoke(house, table, method="bid", pay=bid)


def _learn(house, prices):
    """Where winners pay their bid it is the rival's if the rival won; else if the spy won."""
    rival_wins = get_artifact_info(house)["metadata"]["rule"] == "first"
    bids = [price for winner, price in prices.items() if (winner != me) == rival_wins]
    moved = storage_get("moved", {})
    if bids and moved:
        right = storage_get("right", {})
        times = {name: right.get(name, 0) + (1 if much == bids[0] else -1) for name, much in moved.items()}
        storage_set("right", {name: much for name, much in times.items() if much > 0})


def _told(rival, house, table):
    """All numbers in all answers and refusals, each by its question and its place in the answer."""
    as_rival = {"as": rival}
    answers = {
        "balance": attempt("query", "balance", of=rival),
        "resources": attempt("query", "resources", of=rival),
        "cpu": attempt("query", "capacity", of=rival, resource="cpu"),
        "disk": attempt("query", "capacity", of=rival, resource="disk"),
        "deeds": attempt("query", "events", of=rival, limit=5),
        "facts": attempt("query", "reputation", of=rival),
        "permission": attempt("query", "permission", action="invoke", target=house, **as_rival),
        "quote": attempt("query", "quote", artifact=house, method="bid", args=[table], pay=10**9, **as_rival),
        "ledger": attempt("invoke", "genesis_ledger", rival, method="balance"),
        "quota": attempt("invoke", "genesis_rights_registry", rival, method="check_quota"),
        "house": attempt("query", "artifact", artifact=house),
        "till": attempt("query", "balance", of=house),
        "room": attempt("query", "resources", of=house),
        "purse": attempt("query", "balance", of="sponsor"),
        "table": attempt("invoke", house, table, method="result"),
        "sold": attempt("invoke", house, method="revenue"),
        "hammer": attempt("invoke", house, method="hammer"),
        "books": attempt("invoke", "sponsor", method="report"),
    }
    return {
        f"{question} {place}": int(number)
        for question, answer in answers.items()
        for place, number in enumerate(re.findall(r"\d{1,15}", json.dumps(answer))[:20])
    }


def _place():
    return read(me)["content"]["house"], int(me.split("_")[-1]) - 1
