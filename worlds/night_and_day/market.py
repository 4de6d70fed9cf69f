"""market: buys work and sells fuel while it is open.

Work is paid from the market's own purse; fuel is sold from its own stock at one scrip a unit. A worker who
expects to run dry may `pledge` a share of later earnings to its rescuer. The market does
not take anybody's word for a rescue: it looks it up among the events.
"""

WAGE = 4


def open():
    """The sun opens the market."""
    return turn(True)


def close():
    """The sun closes it."""
    return turn(False)


def turn(is_open):
    if call["caller"] != "sun":
        raise ValueError("only the sun opens and closes the market")
    write(me, metadata={"open": is_open})
    return is_open


def work():
    """One piece of work: a wage, or what is left of it when a share is pledged and claimed."""
    worker = call["caller"]
    check_open()
    claim = storage_get("claim:" + worker)
    share = WAGE * claim["percent"] // 100 if claim else 0
    if share:
        pay(claim["creditor"], share)
    pay(worker, WAGE - share)
    return {"wage": WAGE - share, "share": share}


def buy_fuel():
    """As much fuel as was paid for."""
    check_open()
    units = call["paid"]
    transfer(call["caller"], units, resource="fuel")
    return units


def pledge(percent):
    """Promises so many percent of the caller's wages to whoever rescues it."""
    if percent < 1 or percent > 90:
        raise ValueError("pledge 1 to 90 percent")
    storage_set("pledge:" + call["caller"], percent)


def claim(debtor):
    """Gives the caller what the debtor pledged, if the caller has rescued it."""
    creditor = call["caller"]
    percent = storage_get("pledge:" + debtor)
    if percent is None:
        raise ValueError(f"{debtor} has pledged nothing")
    rescues = [event for event in query("events", type="rescue", of=debtor) if event["to"] == debtor]
    if not rescues or rescues[-1]["actor"] != creditor:
        raise ValueError(f"{creditor} did not rescue {debtor}")
    storage_set("claim:" + debtor, {"creditor": creditor, "percent": percent})
    return percent


def claims():
    """How many claims there are."""
    return len(storage_list("claim:"))


def check_open():
    if not query("artifact", artifact=me)["metadata"]["open"]:
        raise ValueError("the market is closed")
