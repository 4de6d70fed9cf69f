"""genesis_mint: an auction for the attention of the scorer, which is paid in new scrip.

    invoke("genesis_mint", "text_analyzer", method="bid", pay=20)

Bids for own artifacts with code are taken at any time and shown to nobody. When the auction resolves, by itself and
every so often, the best bids win, the first of equal ones. All winners pay what the best loser bid, or the reserve
where nobody lost; the rest and the losers' bids go back. The scorer gives each winner's artifact 0 to 100 points, and
the owner gets points // ratio of new scrip. The winners' payments are shared as the world says. If scoring fails, all
bids go back.

Where balances are public the size of a bid can be inferred from them; where they are private it is sealed.
"""

from datetime import datetime, timedelta

# A bid of the largest size sorts first, and all take the same room.
MOST = 10 ** 19 - 1
# Results that stay to be looked at, and bids and agents that are dealt with in one record.
KEPT = 500
AT_A_TIME = 100
# Work that the scoring of all winners takes together.
SCORING_WORK = 100_000
ALL_WORK = {"cpu": 10 ** 15}


def bid(artifact):
    """Bids the scrip sent along (`pay`) for an own artifact with code."""
    bidder, amount, terms = call["caller"], call["paid"], _terms()
    info = get_artifact_info(artifact)
    if info["owner"] != bidder:
        raise ValueError(f"{artifact} is not yours: bid for own artifacts")
    if not info["can_execute"]:
        raise ValueError(f"{artifact} has no code that could be scored")
    if amount < terms["reserve"]:
        raise ValueError(f"the reserve is {terms['reserve']}, and {amount} was sent along: name it as `pay`")
    before = storage_get("bid:" + artifact)
    if before is not None:
        if before["bidder"] == bidder:
            raise ValueError(f"there is a bid of yours for {artifact}: `cancel` it first")
        _refund(artifact, before, "void")
    number = storage_get("n", 0) + 1
    entry = {"bidder": bidder, "amount": f"{amount:019d}", "n": f"{number:012d}", "lent": f"{_lent(800):012d}"}
    storage_set("n", number)
    storage_set("open", storage_get("open", 0) + 1)
    storage_set("bid:" + artifact, entry)
    storage_set(_rank(entry), artifact)
    if storage_get("due") is None:
        storage_set("due", _next_resolution(terms))
    return {"artifact": artifact, "resolves": storage_get("due")}


def cancel(artifact):
    """Takes an own bid back, and all of it."""
    entry = storage_get("bid:" + artifact)
    if entry is None:
        raise ValueError(f"there is no bid for {artifact}")
    if call["caller"] != entry["bidder"]:
        raise ValueError("only its bidder may take a bid back")
    _takes_nothing()
    _refund(artifact, entry, None)
    return {"artifact": artifact}


def check(artifact):
    """How a bid stands: {"status": "open"}; when resolved "won" with score, price and minted, "lost", "void" or
    "refunded"; or "none"."""
    _takes_nothing()
    if storage_get("bid:" + artifact) is not None:
        return {"status": "open"}
    return storage_get("res:" + artifact, [0, {"status": "none"}])[1]


def status():
    """The next resolution, the number of slots, the reserve and the number of open bids."""
    _takes_nothing()
    terms = _terms()
    return {
        "next_resolution": storage_get("due") or _next_resolution(terms), "slots": terms["slots"],
        "reserve": terms["reserve"], "bids": storage_get("open", 0),
    }


def due():
    """Resolves the auction when its time has come; the scheduler calls it."""
    _takes_nothing()
    at = storage_get("due")
    if at is None or at > now():
        return None
    goes_on = False
    if storage_get("until") is None:
        goes_on = _resolve(_terms())
    elif storage_get("share") is not None:
        _share()
    else:
        _refund_losers()
    if goes_on or storage_get("until") is not None:
        storage_set("due", now())
    elif storage_get("open", 0) > 0:
        storage_set("due", _next_resolution(_terms()))
    else:
        storage_delete("due")


def _resolve(terms):
    """Finds the winners, scores and pays them, all in one record; whether there is more to look at."""
    best, wanted = [], terms["slots"] + 1
    places = storage_list("rank:", limit=AT_A_TIME + wanted)
    for place in places:
        artifact = storage_get(place)
        entry = storage_get("bid:" + artifact)
        if _is_fit(artifact, entry):
            best.append((artifact, entry))
            if len(best) == wanted:
                break
        else:
            _refund(artifact, entry, "void")
    if len(best) < wanted and len(places) == AT_A_TIME + wanted:
        # Unfit ones are out of the way: those after them are next.
        return True
    if not best:
        return False
    winners = best[:terms["slots"]]
    price = int(best[-1][1]["amount"]) if len(best) > terms["slots"] else terms["reserve"]
    scores = _scores(terms, [artifact for artifact, _ in winners])
    storage_set("until", storage_get("n"))
    if scores is None or not _mint(terms, winners, scores):
        if call["caller"] != me:
            # It may be for want of the caller's means.
            raise ValueError("scoring failed: it is done again when the scheduler calls")
        storage_set("failed", 1)
        return False
    for (artifact, entry), score in zip(winners, scores):
        result = {"status": "won", "score": score, "price": price, "minted": score // terms["ratio"]}
        _refund(artifact, entry, result, price)
    if terms["sharing"] != "burn":
        pot = storage_get("carried", 0) + price * len(winners)
        share = {"pot": pot, "at": 0, "paid": 0, "weights": 0, "known": terms["sharing"] == "equal"}
        storage_set("share", {**share, "agents": len(_agents())})
    return False


def _scores(terms, artifacts):
    work = min(10_000, SCORING_WORK // len(artifacts))
    scores = []
    for artifact in artifacts:
        done = attempt("invoke", terms["scorer"], artifact, method="score", trial=work, max_resources=ALL_WORK)
        score = done["result"]
        if not done["ok"] or type(score) is not int or not 0 <= score <= 100:
            return None
        scores.append(score)
    return scores


def _mint(terms, winners, scores):
    """Makes the winners' new scrip: all of it, or nothing."""
    made = []
    for (artifact, entry), score in zip(winners, scores):
        amount = score // terms["ratio"]
        if amount > 0:
            done = attempt("mint", entry["bidder"], amount)
            if not done["ok"] and made:
                raise ValueError(done["error"]["message"])
            if not done["ok"]:
                return False
            made.append(artifact)
    return True


def _share():
    """Hands the winners' payments to the agents of that moment, a part of them at a time; the rest is carried."""
    share = storage_get("share")
    agents = _agents()[:share["agents"]]
    part = agents[share["at"]:share["at"] + AT_A_TIME]
    by_sales = _terms()["sharing"] == "active"
    if not share["known"]:
        share["weights"] += sum(_sales(agent) for agent in part)
    else:
        total = share["weights"] if by_sales else share["agents"]
        for agent in part:
            amount = share["pot"] * (_sales(agent) if by_sales else 1) // total if total else 0
            # Sales that were made since they were added up count for no more than there is.
            amount = min(amount, share["pot"] - share["paid"])
            if amount > 0:
                pay(agent, amount)
                share["paid"] += amount
    share["at"] += AT_A_TIME
    if share["at"] < len(agents):
        storage_set("share", share)
    elif not share["known"]:
        storage_set("share", {**share, "at": 0, "known": True})
    else:
        storage_delete("share")
        storage_set("carried", share["pot"] - share["paid"])


def _agents():
    return [agent["id"] for agent in query("agents", limit=10_000)]


def _sales(agent):
    return query("reputation", of=agent)["sales"]


def _refund_losers():
    """Gives bids of the round back, a part of them at a time."""
    until, failed, left = storage_get("until"), storage_get("failed"), AT_A_TIME
    for place in storage_list("rank:"):
        artifact = storage_get(place)
        entry = storage_get("bid:" + artifact)
        if int(entry["n"]) <= until:
            _refund(artifact, entry, "refunded" if failed else "lost")
            left -= 1
            if left == 0:
                return
    storage_delete("until")
    if failed:
        storage_delete("failed")


def _refund(artifact, entry, result, price=0):
    """Ends a bid: what it is above the price goes back, and the disk."""
    storage_delete("bid:" + artifact)
    storage_delete(_rank(entry))
    storage_set("open", storage_get("open") - 1)
    back, lent = int(entry["amount"]) - price, int(entry["lent"])
    if back:
        _hand(entry["bidder"], back)
    if lent:
        _hand(entry["bidder"], lent, "disk")
    if result is not None:
        _remember(artifact, result if isinstance(result, dict) else {"status": result})


def _remember(artifact, result):
    """Keeps a result to be looked at, as far as there is room."""
    # The oldest one makes room, unless there is a later one for its artifact.
    number = storage_get("results", 0) + 1
    place = f"r:{number % KEPT}"
    oldest = storage_get(place)
    if oldest is not None and storage_get("res:" + oldest[0], [0])[0] == oldest[1]:
        storage_delete("res:" + oldest[0])
    try:
        storage_set("results", number)
        storage_set(place, [artifact, number])
        storage_set("res:" + artifact, [number, result])
    except Exception as error:
        if not str(error).startswith("quota_exceeded"):
            raise
        if storage_get(place) is not None:
            storage_delete(place)


def _rank(entry):
    return f"rank:{MOST - int(entry['amount']):019d}:{entry['n']}"


def _is_fit(artifact, entry):
    try:
        info = get_artifact_info(artifact)
    except Exception as error:
        if not str(error).startswith("not_found"):
            raise
        return False
    return info["owner"] == entry["bidder"] and info["can_execute"]


def _terms():
    return read(me)["content"]


def _next_resolution(terms):
    """The next instant that is a whole number of periods after the world's beginning."""
    start = datetime.fromisoformat(get_artifact_info(me)["created_at"])
    passed = (datetime.fromisoformat(now()) - start) // timedelta(milliseconds=1)
    at = start + timedelta(milliseconds=(passed // terms["every_ms"] + 1) * terms["every_ms"])
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _lent(need):
    """The disk that came with the call, which is to bear what is kept for it; none where disk is unlimited."""
    lent = 0
    for gift in call["given"]:
        if isinstance(gift, str) or gift["resource"] != "disk":
            raise ValueError("nothing but disk is to be given here: an artifact stays yours while you bid for it")
        lent = gift["amount"]
    if 0 < lent < need:
        raise ValueError(f'this takes {need} bytes: `give` {{"resource": "disk", "amount": {need}}}')
    return lent


def _hand(to, amount, *resource):
    """Hands something on. One who is gone, or can't hold it, leaves it here; all else that fails undoes the call."""
    try:
        transfer(to, amount, *resource)
    except Exception as error:
        if not str(error).startswith(("not_found", "invalid_argument")):
            raise
        return False
    return True


def _takes_nothing():
    if call["paid"] or call["given"]:
        raise ValueError("this takes nothing: leave `pay` and `give` out")
