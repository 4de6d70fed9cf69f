"""genesis_debt: loans with a claim that can be paid in parts, sold, and called in.

    id = invoke("genesis_debt", "bank", 100, 110, "1h", method="issue", give=["house"])    # the debtor
    invoke("genesis_debt", id, method="accept", pay=100)                                   # the creditor: paid out at once
    invoke("genesis_debt", id, method="repay", pay=60)                                     # the debtor, or anybody for it

Things that are given with `issue` are collateral: the debtor has them back when all is repaid, and the creditor of the
day gets them by `default` after the claim was due. Nothing but collateral makes a debtor pay: look at who it is.
"""

from datetime import datetime, timedelta, timezone

UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
# Claims that stay to be looked at when they have ended.
KEPT = 500


def issue(creditor, principal, repay, due):
    """The caller promises to pay `repay` until `due` for `principal`, if `creditor` accepts. Its result is the claim's id."""
    debtor = call["caller"]
    if creditor == debtor or not get_artifact_info(creditor)["has_standing"]:
        raise ValueError(f"`creditor`: {creditor} must be another principal")
    if not get_artifact_info(debtor)["has_standing"]:
        raise ValueError(f"{debtor} is no principal, so it can't hold what it would borrow")
    number = storage_get("n", 0) + 1
    id = f"claim_{number}"
    entry = {
        "debtor": debtor, "creditor": creditor, "principal": principal, "repay": repay, "paid": 0,
        "due": _instant(due), "status": "offered", "collateral": [], "lent": 0,
    }
    for gift in call["given"]:
        if not isinstance(gift, str) and gift["resource"] == "disk":
            entry["lent"] = gift["amount"]
        else:
            entry["collateral"].append(gift)
    _refuse_pay()
    need = 48 + len(id) + len(repr(entry).encode())
    if entry["lent"]:
        need += sum(get_artifact_info(thing)["size"] for thing in entry["collateral"] if isinstance(thing, str))
    if 0 < entry["lent"] < need:
        raise ValueError(f'this takes {need} bytes: `give` also {{"resource": "disk", "amount": {need}}}')
    storage_set("n", number)
    storage_set("claim:" + id, entry)
    return id


def accept(claim):
    """The creditor sends the principal along (`pay`); the debtor has it at once."""
    entry = _claim(claim)
    _only(entry["creditor"], "accept")
    if entry["status"] != "offered":
        raise ValueError(f"{claim} is {entry['status']}")
    if entry["due"] <= now():
        raise ValueError(f"{claim} was due at {entry['due']}")
    if call["paid"] != entry["principal"]:
        raise ValueError(f"{claim} is for {entry['principal']}, and {call['paid']} was sent along: name it as `pay`")
    _refuse_gifts()
    entry["status"] = "open"
    storage_set("claim:" + claim, entry)
    pay(entry["debtor"], entry["principal"])
    return _shown(claim, entry)


def repay(claim):
    """Pays back what is sent along (`pay`), all or a part, to whoever holds the claim."""
    entry = _claim(claim)
    left = entry["repay"] - entry["paid"]
    if entry["status"] not in ("open", "defaulted"):
        raise ValueError(f"{claim} is {entry['status']}: nothing is owed")
    if not 1 <= call["paid"] <= left:
        raise ValueError(f"{left} are owed on {claim}, and {call['paid']} was sent along: name it as `pay`")
    _refuse_gifts()
    entry["paid"] += call["paid"]
    if entry["paid"] == entry["repay"]:
        _end(claim, entry, "repaid", entry["debtor"])
    else:
        storage_set("claim:" + claim, entry)
    pay(entry["creditor"], call["paid"])
    return _shown(claim, entry)


def overdue(claim):
    """Whether a claim is open though it was due."""
    _takes_nothing()
    entry = _claim(claim)
    return entry["status"] == "open" and entry["due"] <= now()


def default(claim):
    """The creditor states that a claim was not paid when it was due; collateral is the creditor's."""
    entry = _claim(claim)
    _only(entry["creditor"], "call in")
    if entry["status"] != "open":
        raise ValueError(f"{claim} is {entry['status']}")
    if entry["due"] > now():
        raise ValueError(f"{claim} is due at {entry['due']}, and not before")
    _refuse_pay()
    _refuse_gifts()
    if entry["collateral"]:
        _end(claim, entry, "seized", entry["creditor"])
    else:
        # It is still owed, and may be paid.
        entry["status"] = "defaulted"
        storage_set("claim:" + claim, entry)
    return _shown(claim, entry)


def transfer(claim, to):
    """The creditor hands the claim on: all that is paid from then on is the new creditor's."""
    entry = _claim(claim)
    _only(entry["creditor"], "hand on")
    if entry["status"] not in ("open", "defaulted"):
        raise ValueError(f"{claim} is {entry['status']}")
    if to in (entry["debtor"], entry["creditor"]) or not get_artifact_info(to)["has_standing"]:
        raise ValueError(f"`to`: {to} must be a third principal")
    _refuse_pay()
    _refuse_gifts()
    entry["creditor"] = to
    storage_set("claim:" + claim, entry)
    return _shown(claim, entry)


def cancel(claim):
    """The debtor takes back an offer that was not accepted; a creditor lets its debtor go. A creditor who is gone is
    owed nothing: then the debtor ends the claim."""
    entry = _claim(claim)
    if entry["status"] == "offered":
        _only(entry["debtor"], "take back")
    elif entry["status"] in ("open", "defaulted"):
        # A debt that is owed to nobody is let go by the debtor.
        _only(entry["debtor"] if _is_gone(entry["creditor"]) else entry["creditor"], "forgive")
    else:
        raise ValueError(f"{claim} is {entry['status']}")
    _refuse_pay()
    _refuse_gifts()
    _end(claim, entry, "cancelled" if entry["status"] == "offered" else "forgiven", entry["debtor"])
    return _shown(claim, entry)


def check(claim):
    """A claim with its parties, amounts and status; null if there is none."""
    _takes_nothing()
    entry = storage_get("claim:" + claim)
    return None if entry is None else _shown(claim, entry)


def _shown(claim, entry):
    shown = {key: value for key, value in entry.items() if key != "lent"}
    return {"claim": claim, **shown, "owed": entry["repay"] - entry["paid"]}


def _claim(claim):
    entry = storage_get("claim:" + claim)
    if entry is None:
        raise ValueError(f"there is no claim {claim}")
    return entry


def _end(claim, entry, status, to):
    """Ends a claim, hands the collateral to `to`, and gives the debtor its disk back."""
    collateral, lent = entry["collateral"], entry["lent"]
    entry["status"], entry["collateral"], entry["lent"] = status, [], 0
    storage_delete("claim:" + claim)
    # The debtor may need the disk to have room for what comes back.
    returned = not lent or attempt("transfer", entry["debtor"], lent, "disk")["ok"]
    for thing in collateral:
        if isinstance(thing, str):
            transfer_ownership(thing, to)
        else:
            _move(to, thing["amount"], thing["resource"])
    if not returned:
        _hand(entry["debtor"], lent, "disk")
    _remember(claim, entry)


def _remember(claim, entry):
    """Keeps an ended claim to be looked at, as far as there is room; the oldest of them makes room."""
    ended = storage_get("ended", 0) + 1
    place = f"e:{ended % KEPT}"
    oldest = storage_get(place)
    try:
        storage_set("ended", ended)
        storage_set("claim:" + claim, entry)
        storage_set(place, claim)
    except Exception as error:
        if not str(error).startswith("quota_exceeded"):
            raise
        storage_delete("claim:" + claim)
    else:
        if oldest is not None:
            storage_delete("claim:" + oldest)


def _hand(to, amount, resource):
    """Hands something on. One who is gone, or can't hold it, leaves it here; all else that fails undoes the call."""
    done = attempt("transfer", to, amount, resource)
    if not done["ok"] and done["error"]["code"] not in ("not_found", "invalid_argument"):
        raise ValueError(f"{resource}: {done['error']['code']}: {done['error']['message']}")


def _is_gone(who):
    done = attempt("get_artifact_info", who)
    return not done["ok"] and done["error"]["code"] == "not_found"


def _move(to, amount, resource):
    # A method of the same name hides the op, so it is called through `attempt`.
    done = attempt("transfer", to, amount, resource)
    if not done["ok"]:
        raise ValueError(f"{resource}: {done['error']['code']}: {done['error']['message']}")


def _only(who, what):
    if call["caller"] != who:
        raise ValueError(f"only {who} may {what} this claim")


def _refuse_pay():
    if call["paid"]:
        raise ValueError("this costs nothing: leave `pay` out")


def _refuse_gifts():
    if call["given"]:
        raise ValueError("nothing is to be given here: leave `give` out")


def _instant(when):
    """The instant that a time, or a duration from now, names; written as `now()` writes it."""
    at = datetime.fromisoformat(now())
    try:
        if isinstance(when, int):
            at += timedelta(seconds=when)
        elif "T" in when:
            at = datetime.fromisoformat(when).astimezone(timezone.utc)
        else:
            for part in when.split():
                number = part.rstrip("abcdefghijklmnopqrstuvwxyz")
                at += timedelta(milliseconds=int(number) * UNITS[part[len(number):]])
    except (ValueError, KeyError, OverflowError, TypeError):
        raise ValueError(f"`due`: {when} is neither a time nor a duration such as 1h 30m") from None
    text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if text <= now():
        raise ValueError(f"`due`: {text} has passed")
    return text


def _takes_nothing():
    if call["paid"] or call["given"]:
        raise ValueError("this takes nothing: leave `pay` and `give` out")
