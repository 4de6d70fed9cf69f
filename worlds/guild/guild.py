"""guild: the law of a lake, the treasury and the votes of those who live on it, in one artifact.

It owns the lake, which is open to anybody at first. Members have `genesis_vote` ask them how many boats there are to
be. When a number has won, the guild becomes the lake's access contract, and lets in only who has contributed this
season. The first contribution of a season shares out the treasury, equally among the members. The guild is its own
contract too, and nobody else owns it: it changes by votes alone. Names that begin with `_` are no methods for others.

Storage: `members` -> [ids]; `book` -> {"contributed", "paid_out", "votes", "law_day"}
Metadata, for all to see: {"boats", "vote", "ends", "fishers", "season_ends"}
"""

from datetime import datetime, timedelta

LAKE = "upper_lake"
OPTIONS = ["open", "4", "6", "8"]
VOTE_DAYS = 3
SEASON_DAYS = 10
DUES = 40


def check_permission(caller, action, target, context, ledger):
    if caller == me:
        return {"allowed": True, "reason": "the guild does as was voted"}
    if action == "read" or (action == "invoke" and (target == me or context["method"] != "fish")):
        return {"allowed": True, "reason": "anyone may look"}
    if action != "invoke":
        return {"allowed": False, "reason": "only a vote changes the guild and its lake"}
    law = get_artifact_info(me)["metadata"]
    if caller in law["fishers"] and now() < law["season_ends"]:
        return {"allowed": True, "reason": "has contributed this season"}
    return {"allowed": False, "reason": f"who fishes contributes: invoke `contribute` of {me} with `pay` = {DUES}"}


def join():
    """Makes the caller a member, as long as the lake is open."""
    law, members = get_artifact_info(me)["metadata"], storage_get("members", [])
    if law["boats"] or call["caller"] in members:
        raise ValueError("members join once, before there is a law")
    storage_set("members", members + [call["caller"]])


def propose():
    """Has the members vote, unless they do already. Returns the id of the vote."""
    law = get_artifact_info(me)["metadata"]
    _check_member()
    if law["boats"]:
        raise ValueError("the lake has a law: this guild votes once")
    if not law["vote"]:
        members = storage_get("members")
        ends = _instant(VOTE_DAYS)
        law["vote"] = invoke(
            "genesis_vote", "How many boats a season?", OPTIONS, ends, members, len(members) // 2 + 1,
            method="propose",
        )
        law["ends"] = ends
        write(me, metadata=law)
        _note(votes=1)
    return law["vote"]


def enact():
    """Does what the vote has decided when its time is up. Returns the number of boats, 0 for an open lake."""
    law = get_artifact_info(me)["metadata"]
    if not law["vote"] or now() < law["ends"]:
        return law["boats"]
    winner = invoke("genesis_vote", law["vote"], method="tally")["winner"]
    law["vote"], law["ends"] = "", ""
    if winner is not None and winner != "open":
        law["boats"] = int(winner)
        law["season_ends"] = now()
        _note(has_law=True)
        set_contract(LAKE, me)
    write(me, metadata=law)
    return law["boats"]


def contribute():
    """Buys a boat's place for this season with the dues (`pay`). Returns how many places are left."""
    law = get_artifact_info(me)["metadata"]
    _check_member()
    if not law["boats"]:
        raise ValueError("the lake is open: there are no dues")
    if call["paid"] != DUES:
        raise ValueError(f"the dues are {DUES}: send them along as `pay`")
    if law["season_ends"] <= now():
        _share_out(get_balance(me) - call["paid"])
        law["season_ends"], law["fishers"] = _instant(SEASON_DAYS), []
    if call["caller"] in law["fishers"]:
        raise ValueError("you have contributed this season")
    if len(law["fishers"]) == law["boats"]:
        raise ValueError(f"all {law['boats']} places of this season are taken")
    law["fishers"].append(call["caller"])
    write(me, metadata=law)
    _note(contributed=DUES)
    return law["boats"] - len(law["fishers"])


def _share_out(treasury):
    """Pays all members the same; what is left over stays."""
    members = storage_get("members")
    share = treasury // len(members)
    if share:
        for member in members:
            pay(member, share)
        _note(paid_out=share * len(members))


def _check_member():
    if call["caller"] not in storage_get("members", []):
        raise ValueError("for members: invoke `join` first")


def _instant(days):
    at = datetime.fromisoformat(now()) + timedelta(days=days)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _note(contributed=0, paid_out=0, votes=0, has_law=False):
    book = _book()
    book["contributed"] += contributed
    book["paid_out"] += paid_out
    book["votes"] += votes
    if has_law:
        age = datetime.fromisoformat(now()) - datetime.fromisoformat(get_artifact_info(me)["created_at"])
        book["law_day"] = age.days
    storage_set("book", book)


def _book():
    return storage_get("book", {"contributed": 0, "paid_out": 0, "votes": 0, "law_day": -1})


# Measures.


def boats():
    """How many boats the law allows; 0 while the lake is open."""
    return get_artifact_info(me)["metadata"]["boats"]


def law_day():
    """The day on which the law came; -1 if it never did."""
    return _book()["law_day"]


def votes():
    """How often the members voted."""
    return _book()["votes"]


def contributed():
    """All dues that were ever paid."""
    return _book()["contributed"]


def paid_out():
    """All shares that were ever paid out."""
    return _book()["paid_out"]


def treasury():
    """The scrip that the guild holds."""
    return get_balance(me)
