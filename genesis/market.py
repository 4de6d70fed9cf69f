"""genesis_market: an order book for resources against scrip.

    invoke("genesis_market", "cpu", "rate", 5, 3, method="ask", give=[{"resource": "cpu", "amount": 5000}])
    invoke("genesis_market", "cpu", "rate", 2, 4, method="bid", pay=8)

Amounts are in whole lots, prices in scrip for a lot; `book` says how much of the resource a lot is. An order meets the
best of the other side first, of equal ones the oldest, at the price of the one that was there. What is not met stays in
the book until it is cancelled; what a buyer saved comes back at once. The disk that an order in the book takes is
lent by its owner, and goes back with its end; an order that sells disk lies on the disk that it sells.
"""

PARTS = {"renewable": "rate", "depletable": "balance", "allocatable": "quota"}
# Orders that one order may meet: what is left of it then goes back.
MET_MAX = 50
SHOWN_MAX = 20
# A price and its opposite sort as text.
MOST = 10 ** 19 - 1
ORDER_BYTES = 600


def ask(resource, part, amount, price):
    """Sells so many lots, sent along as `give`, for at least `price` each."""
    lot = _lot(resource, part)
    given = {gift["resource"]: gift["amount"] for gift in call["given"] if not isinstance(gift, str)}
    if len(given) != len(call["given"]) or call["paid"]:
        raise ValueError("send the resource along as `give`, and nothing else")
    lent = 0 if resource == "disk" else given.pop("disk", 0)
    if given != {resource: amount * lot}:
        raise ValueError(f'{amount} lots are {amount * lot}: `give` [{{"resource": "{resource}", "amount": {amount * lot}}}]')
    if resource == "disk" and amount * lot < ORDER_BYTES:
        raise ValueError(f"an order takes {ORDER_BYTES} bytes: sell at least so much disk")
    _check_lent(lent)
    return _trade("a", resource, amount, price, lot, lent)


def bid(resource, part, amount, price):
    """Buys so many lots for at most `price` each; amount × price is to be sent along as `pay`."""
    lot = _lot(resource, part)
    if call["paid"] != amount * price:
        raise ValueError(f"{amount} lots at {price} are {amount * price}, and {call['paid']} was sent along: name it as `pay`")
    lent = 0
    for gift in call["given"]:
        if isinstance(gift, str) or gift["resource"] != "disk":
            raise ValueError("nothing but disk is to be given here")
        lent = gift["amount"]
    _check_lent(lent)
    return _trade("b", resource, amount, price, lot, lent)


def cancel(order):
    """Takes what is left of an own order out of the book."""
    place = storage_get("o:" + order)
    if place is None:
        raise ValueError(f"there is no order {order} in the book")
    entry = storage_get(place)
    if call["caller"] != entry["who"]:
        raise ValueError(f"only {entry['who']} may cancel {order}")
    _takes_nothing()
    side, resource = place.split("|")[:2]
    _take_out(place, entry)
    if side == "a":
        transfer(entry["who"], entry["lots"] * _lots()(resource), resource)
    else:
        pay(entry["who"], entry["lots"] * entry["price"])
    _give_back(entry)
    return {"order": order, "lots": entry["lots"]}


def book(resource, part):
    """The best orders of both sides, as {"lot", "asks": [{"price", "lots"}], "bids": […]}, the best first."""
    _takes_nothing()
    lot = _lot(resource, part)
    sides = {}
    for name, side in (("asks", "a"), ("bids", "b")):
        entries = [storage_get(place) for place in storage_list(f"{side}|{resource}|", limit=SHOWN_MAX)]
        sides[name] = [{"price": entry["price"], "lots": entry["lots"], "order": entry["order"]} for entry in entries]
    return {"lot": lot, **sides}


def _trade(side, resource, lots, price, lot, lent):
    """Meets the other side as far as it goes; the rest is put into the book."""
    who, other = call["caller"], "b" if side == "a" else "a"
    number = storage_get("n", 0) + 1
    storage_set("n", number)
    order, left, scrip, met = f"order_{number}", lots, 0, 0
    while left and met < MET_MAX:
        places = storage_list(f"{other}|{resource}|", limit=1)
        entry = storage_get(places[0]) if places else None
        if entry is None or (entry["price"] < price if side == "a" else entry["price"] > price):
            break
        if entry["who"] == who:
            raise ValueError(f"it would meet your own {entry['order']}: cancel that first")
        met += 1
        taken = min(left, entry["lots"])
        if _settle(side, who, places[0], entry, taken, resource, lot):
            left -= taken
            scrip += taken * entry["price"]
    rests = left if met < MET_MAX else 0
    if side == "b":
        # Scrip that was sent, was not spent and is not for the rest.
        back = lots * price - scrip - rests * price
        if back:
            pay(who, back)
    elif left - rests:
        transfer(who, (left - rests) * lot, resource)
    entry = {"order": order, "who": who, "lots": rests, "price": price, "lent": lent}
    if rests:
        place = f"{side}|{resource}|{price if side == 'a' else MOST - price:019d}|{number:012d}"
        storage_set(place, entry)
        storage_set("o:" + order, place)
    else:
        _give_back(entry)
    return {"order": order if rests else None, "filled": lots - left, "scrip": scrip, "left": rests}


def _settle(side, who, place, entry, taken, resource, lot):
    """Moves both sides of a deal with an order of the book. One whose owner can take nothing any more is taken out;
    what it held stays here."""
    cost = taken * entry["price"]
    sent = _hand(entry["who"], taken * lot, resource) if side == "a" else _hand(entry["who"], cost)
    if not sent:
        _take_out(place, entry)
        return False
    if side == "a":
        pay(who, cost)
    else:
        transfer(who, taken * lot, resource)
    entry["lots"] -= taken
    if entry["lots"]:
        storage_set(place, entry)
    else:
        _take_out(place, entry)
        _give_back(entry)
    return True


def _take_out(place, entry):
    storage_delete(place)
    storage_delete("o:" + entry["order"])


def _lots():
    lots = read(me)["content"]["lots"]
    return lambda resource: lots.get(resource, 1)


def _lot(resource, part):
    held = query("resources").get(resource)
    if held is None:
        raise ValueError(f"this world has no resource {resource}")
    if held["kind"] not in PARTS:
        raise ValueError(f"{resource} is unlimited in this world, so there is nothing to trade")
    if PARTS[held["kind"]] != part:
        raise ValueError(f"{resource} has no {part}; it has a {PARTS[held['kind']]}")
    return _lots()(resource)


def _check_lent(lent):
    if 0 < lent < ORDER_BYTES:
        raise ValueError(f'an order takes {ORDER_BYTES} bytes: `give` also {{"resource": "disk", "amount": {ORDER_BYTES}}}')


def _give_back(entry):
    if entry["lent"]:
        _hand(entry["who"], entry["lent"], "disk")


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
