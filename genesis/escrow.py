"""genesis_escrow: sales between those who don't trust each other.

A seller hands over what is for sale and names a price; whoever sends the price along receives it. Both sides
change hands in one action, or neither does:

    invoke("genesis_escrow", 30, method="list", give=["painting"])
    invoke("genesis_escrow", "painting", method="purchase", pay=30)

Artifacts that are given together are one sale. The disk that a listing takes is lent by the seller, and goes back
when the listing ends.
"""

SHOWN_MAX = 100


def list(price, buyer=None):
    """Offers the artifacts sent along (`give`) together for `price`: to anybody, or to `buyer` only."""
    seller, items = call["caller"], [gift for gift in call["given"] if isinstance(gift, str)]
    if not items:
        raise ValueError('nothing is for sale: send it along, as in `give`: ["painting"]')
    if call["paid"]:
        raise ValueError("a listing costs nothing: leave `pay` out")
    if buyer is not None and (buyer == seller or not get_artifact_info(buyer)["has_standing"]):
        raise ValueError(f"`buyer`: {buyer} can't buy this: name another principal, or nobody")
    for item in items:
        if storage_get("lot:" + item) is not None or storage_get("part:" + item) is not None:
            raise ValueError(f"{item} is listed already")
    entry = {"seller": seller, "price": price, "buyer": buyer, "items": items, "lent": 0}
    need = 32 + _bytes("lot:" + items[0], entry) + sum(_bytes("part:" + item, items[0]) for item in items[1:])
    entry["lent"] = _lent(need, items)
    storage_set("lot:" + items[0], entry)
    for item in items[1:]:
        storage_set("part:" + item, items[0])
    return {"artifact": items[0], "price": price, "buyer": buyer}


def purchase(artifact):
    """Buys what is listed under an artifact; the price is to be sent along (`pay`)."""
    name, entry = _entry(artifact)
    buyer = call["caller"]
    if buyer == entry["seller"]:
        raise ValueError(f"{artifact} is your own listing: `cancel` gives it back")
    if entry["buyer"] is not None and buyer != entry["buyer"]:
        raise ValueError(f"{artifact} is reserved for {entry['buyer']}")
    if call["paid"] != entry["price"]:
        raise ValueError(f"{artifact} costs {entry['price']}, and {call['paid']} was sent along: name it as `pay`")
    _refuse_gifts()
    _remove(name, entry)
    pay(entry["seller"], entry["price"])
    for item in entry["items"]:
        transfer_ownership(item, buyer)
    _give_back(entry)
    return {"artifacts": entry["items"], "price": entry["price"], "seller": entry["seller"]}


def cancel(artifact):
    """Takes an own listing back, with all that was given."""
    name, entry = _entry(artifact)
    if call["caller"] != entry["seller"]:
        raise ValueError(f"only {entry['seller']} may cancel this listing")
    _takes_nothing()
    _remove(name, entry)
    # The seller may need the disk to have room for what comes back.
    returned = _room_goes_back(entry)
    for item in entry["items"]:
        done = attempt("transfer_ownership", item, entry["seller"])
        # One that is gone, by a contract of its own, keeps nothing else here.
        if not done["ok"] and done["error"]["code"] != "not_found":
            raise ValueError(f"{item}: {done['error']['message']}")
    if not returned:
        _give_back(entry)
    return {"artifacts": entry["items"]}


def check(artifact):
    """The listing of an artifact: {"seller", "price", "buyer"}, and "artifacts" if it is one of several; null if
    there is none."""
    _takes_nothing()
    name = storage_get("part:" + artifact, artifact)
    entry = storage_get("lot:" + name)
    return None if entry is None else _shown(entry)


def list_active(after=None, limit=100):
    """The listings, by the ids of their artifacts: those after an id, so many."""
    _takes_nothing()
    names = storage_list("lot:", None if after is None else "lot:" + after, min(limit, SHOWN_MAX))
    return [{"artifact": name[4:], **_shown(storage_get(name))} for name in names]


def _shown(entry):
    shown = {"seller": entry["seller"], "price": entry["price"], "buyer": entry["buyer"]}
    if len(entry["items"]) > 1:
        shown["artifacts"] = entry["items"]
    return shown


def _entry(artifact):
    name = storage_get("part:" + artifact, artifact)
    entry = storage_get("lot:" + name)
    if entry is None:
        raise ValueError(f"{artifact} is not for sale: `list_active` shows what is")
    return name, entry


def _remove(name, entry):
    storage_delete("lot:" + name)
    for item in entry["items"][1:]:
        storage_delete("part:" + item)


def _refuse_gifts():
    if call["given"]:
        raise ValueError("nothing is to be given here: leave `give` out")


def _bytes(key, value):
    # The bytes that the kernel counts for a key with its value, or a little more.
    return 16 + len(key) + len(repr(value).encode())


def _lent(need, items):
    """The disk that came with the call, which is to bear what is kept for it, with the bytes of what was given; none
    where disk is unlimited."""
    lent = 0
    for gift in call["given"]:
        if not isinstance(gift, str):
            if gift["resource"] != "disk":
                raise ValueError(f"{gift['resource']} can't be sold here: genesis_market trades resources")
            lent = gift["amount"]
    if lent:
        need += sum(get_artifact_info(item)["size"] for item in items)
    if 0 < lent < need:
        raise ValueError(f'this takes {need} bytes: `give` also {{"resource": "disk", "amount": {need}}}')
    return lent


def _room_goes_back(entry):
    # Not yet, where the artifacts lie on it.
    return not entry["lent"] or attempt("transfer", entry["seller"], entry["lent"], "disk")["ok"]


def _give_back(entry):
    if entry["lent"]:
        _hand(entry["seller"], entry["lent"], "disk")


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
