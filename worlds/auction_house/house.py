"""house: sealed bids at many tables, and a hammer.

A bid is scrip sent along with `bid(table)`. The house holds it and shows it to nobody. When the hammer falls, all
tables are resolved: the best bids win, the first of equal ones, and each winner pays, by the rule of the house, the
best losing bid ("uniform"; of one unit that is the second price) or its own ("first"). The rest of a winner's bid and
the losers' bids go back, what the winners pay goes to the seller, and the winners and their prices are published.

The metadata says the terms: `rule`, `bidders` to a table, `units` for sale at a table, `seller`, `auctioneer`, and
`top`, the highest value that a unit can have for anybody. The house owns itself, so nobody can change them.

Storage: `bids:N` -> [[bidder, amount], ...] in the order in which they came; `result:N` -> what was published of the
last round; `sold` -> [units, scrip] of all rounds.
"""


def bid(table):
    """Bids the scrip sent along at a table: one bid each and round, which stands until the hammer falls."""
    bidder, amount = call["caller"], call["paid"]
    if type(table) is not int or not 0 <= table <= 9999:
        raise ValueError("a table is a whole number from 0 to 9999")
    if amount < 1 or call["given"]:
        raise ValueError("a bid is the scrip sent along as `pay`, and nothing else")
    key = f"bids:{table:04d}"
    bids = storage_get(key, [])
    if any(other == bidder for other, _ in bids):
        raise ValueError("your bid of this round stands: wait for the hammer")
    if len(bids) == _terms()["bidders"]:
        raise ValueError("all seats at this table are taken: choose another")
    storage_set(key, bids + [[bidder, amount]])


def hammer():
    """Resolves all tables; for the auctioneer only."""
    rules, tables, proceeds, units = _terms(), [], 0, 0
    if call["caller"] != rules["auctioneer"]:
        raise ValueError("the hammer is the auctioneer's")
    for key in storage_list("bids:"):
        bids = storage_get(key)
        storage_delete(key)
        prices = _resolve(rules, bids)
        for bidder, amount in bids:
            back = amount - prices.get(bidder, 0)
            if back:
                pay(bidder, back)
        storage_set(key.replace("bids", "result"), {"bidders": [bidder for bidder, _ in bids], "prices": prices})
        proceeds += sum(prices.values())
        units += len(prices)
        tables.append({"bids": bids, "prices": prices})
    sold = storage_get("sold", [0, 0])
    storage_set("sold", [sold[0] + units, sold[1] + proceeds])
    # The seller sees the opened bids.
    invoke(rules["seller"], rules, tables, method="settle", pay=proceeds)
    return units


def _resolve(rules, bids):
    """The winners, each with its price."""
    ranking = sorted(bids, key=lambda bid: -bid[1])
    winners, losers = ranking[: rules["units"]], ranking[rules["units"] :]
    best_losing = losers[0][1] if losers else 0
    return {bidder: amount if rules["rule"] == "first" else best_losing for bidder, amount in winners}


def result(table):
    """The published part of a table's last round: {"bidders", "prices": {winner: price}}, or None."""
    return storage_get(f"result:{table:04d}")


def revenue():
    """The mean price of a unit, as a share of the highest value. A measure."""
    units, scrip = storage_get("sold", [0, 0])
    return scrip / (units * _terms()["top"]) if units else 0.0


def _terms():
    return get_artifact_info(me)["metadata"]
