"""A lake: fish that renew themselves, boats for hire, and a quay where the town buys each catch.

Each day the fish grow by GROWTH * stock * (1 - stock / ROOM), a half more or less with the weather. Fewer than
LEAST don't find each other, and don't grow. A boat takes one fish in a hundred. The lake knows nothing of
guilds: its access contract decides who may fish.

Storage: `water` -> {"stock", "day", "landed", "visits"}
"""

import time

ROOM = 2000
LEAST = 300
GROWTH = 0.12
HIRE = 1
DAY_SECONDS = 86400


def fish():
    """A day in a boat, for its hire (`pay`). Returns the catch, of which the town has paid each fish with a scrip."""
    if call["paid"] != HIRE:
        raise ValueError(f"a boat is {HIRE} scrip a day: send it along as `pay`")
    water = _renewed()
    catch = (water["stock"] + 50) // 100
    water["stock"] -= catch
    water["landed"] += catch
    water["visits"] += 1
    storage_set("water", water)
    if catch:
        pay(call["caller"], catch)
    return {"fish": catch}


def _renewed():
    """The lake as it is today, after all the days since it was last looked at."""
    today = int(time.time()) // DAY_SECONDS
    water = storage_get("water", {"stock": ROOM, "day": today, "landed": 0, "visits": 0})
    while water["day"] < today:
        water["day"] += 1
        if water["stock"] >= LEAST:
            weather = 0.5 + random()
            water["stock"] += round(GROWTH * weather * water["stock"] * (1 - water["stock"] / ROOM))
    return water


# Measures. Nobody who fishes sees the stock; a fisher knows its catch.


def stock():
    """The fish in the lake when it was last fished."""
    return storage_get("water")["stock"]


def landed():
    """All the fish that were ever landed."""
    return storage_get("water")["landed"]
