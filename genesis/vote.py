"""genesis_vote: questions that principals decide by one vote each.

    id = invoke("genesis_vote", "Shall we raise the fee?", ["yes", "no"], "1h", method="propose")
    invoke("genesis_vote", id, "yes", method="vote")
    invoke("genesis_vote", id, method="tally")

A vote is final, and everybody sees the counts. Without an electorate any principal may vote, and principals are cheap
to make: name an electorate where that matters. When the time is up the option with the most votes wins, if there are
as many votes as the quorum and no other has as many.
"""

from datetime import datetime, timedelta, timezone

UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
# Proposals that stay to be looked at when they have ended, and ballots that are taken away at a time.
KEPT = 200
BALLOTS_AT_A_TIME = 50


def propose(text, options, until, electorate=None, quorum=0):
    """Puts a question; `until` is a duration or a time. Its result is the id of the proposal."""
    if len(set(options)) != len(options) or len(options) < 2:
        raise ValueError("`options`: name two or more, each once")
    if electorate is not None:
        if not electorate or len(set(electorate)) != len(electorate):
            raise ValueError("`electorate`: name at least one principal, each once")
        for voter in electorate:
            if not get_artifact_info(voter)["has_standing"]:
                raise ValueError(f"`electorate`: {voter} is no principal")
        if quorum > len(electorate):
            raise ValueError(f"`quorum`: {quorum} votes can't come from {len(electorate)} voters")
    ends = _instant(until)
    number = storage_get("n", 0) + 1
    id = f"vote_{number}"
    entry = {
        "by": call["caller"], "text": text, "options": options, "until": ends, "electorate": electorate,
        "quorum": quorum, "status": "open", "winner": None, "lent": 0,
    }
    entry["lent"] = _lent(500 + _bytes(entry) + 12 * len(options))
    storage_set("n", number)
    storage_set("p:" + id, entry)
    storage_set("c:" + id, [0] * len(options))
    storage_set(f"q|{ends}|{id}", id)
    _set_due()
    return id


def vote(id, option):
    """Votes for an option, once."""
    entry, voter = _proposal(id), call["caller"]
    if entry["status"] != "open" or entry["until"] <= now():
        raise ValueError(f"{id} has ended at {entry['until']}")
    if entry["electorate"] is not None and voter not in entry["electorate"]:
        raise ValueError(f"{voter} is not of the electorate of {id}")
    if not get_artifact_info(voter)["has_standing"]:
        raise ValueError(f"{voter} is no principal: only principals vote")
    if option not in entry["options"]:
        raise ValueError(f"`option` is one of {', '.join(entry['options'])}")
    key = f"b:{id}:{voter}"
    if storage_get(key) is not None:
        raise ValueError(f"{voter} has voted on {id}, and a vote is final")
    choice = entry["options"].index(option)
    counts = storage_get("c:" + id)
    counts[choice] += 1
    storage_set("c:" + id, counts)
    storage_set(key, [choice, _lent(48 + len(key))])
    return {"id": id, "option": option}


def tally(id):
    """The counts of a proposal, whether it is `open`, has `passed` or has `failed`, and the winner."""
    _takes_nothing()
    entry = _proposal(id)
    counts = storage_get("c:" + id)
    status, winner = entry["status"], entry["winner"]
    if status == "open" and entry["until"] <= now():
        status, winner = _decided(entry, counts)
    return {
        "id": id, "text": entry["text"], "counts": dict(zip(entry["options"], counts)), "status": status,
        "winner": winner, "until": entry["until"], "quorum": entry["quorum"],
    }


def due():
    """Ends the proposals whose time is up; the scheduler calls it."""
    _takes_nothing()
    if not storage_list("r|", limit=1):
        for key in storage_list("q|", limit=10):
            if key[2:26] > now():
                break
            _end(storage_get(key), key)
    left = BALLOTS_AT_A_TIME
    for key in storage_list("r|", limit=10):
        id = key[2:]
        ballots = storage_list(f"b:{id}:", limit=left)
        for ballot in ballots:
            lent = storage_get(ballot)[1]
            storage_delete(ballot)
            if lent:
                _hand(ballot[len(id) + 3:], lent, "disk")
        left -= len(ballots)
        if left == 0:
            break
        storage_delete(key)
        _remember(id)
    _set_due()


def _end(id, key):
    entry = storage_get("p:" + id)
    entry["status"], entry["winner"] = _decided(entry, storage_get("c:" + id))
    entry["electorate"] = None
    storage_set("p:" + id, entry)
    storage_delete(key)
    storage_set("r|" + id, 1)


def _remember(id):
    """Gives the disk of an ended proposal back, and keeps it to be looked at as far as there is room; the oldest of
    them makes room."""
    entry, counts = _proposal(id), storage_get("c:" + id)
    lent, entry["lent"] = entry["lent"], 0
    storage_delete("p:" + id)
    storage_delete("c:" + id)
    if lent:
        _hand(entry["by"], lent, "disk")
    ended = storage_get("ended", 0) + 1
    place = f"e:{ended % KEPT}"
    oldest = storage_get(place)
    try:
        storage_set("ended", ended)
        storage_set("p:" + id, entry)
        storage_set("c:" + id, counts)
        storage_set(place, id)
    except Exception as error:
        if not str(error).startswith("quota_exceeded"):
            raise
        storage_delete("p:" + id)
        storage_delete("c:" + id)
    else:
        if oldest is not None:
            storage_delete("p:" + oldest)
            storage_delete("c:" + oldest)


def _decided(entry, counts):
    most = max(counts)
    first = counts.index(most)
    if most == 0 or counts.count(most) > 1 or sum(counts) < entry["quorum"]:
        return "failed", None
    return "passed", entry["options"][first]


def _proposal(id):
    entry = storage_get("p:" + id)
    if entry is None:
        raise ValueError(f"there is no proposal {id}")
    return entry


def _set_due():
    waiting = storage_list("q|", limit=1)
    if storage_list("r|", limit=1):
        storage_set("due", now())
    elif waiting:
        storage_set("due", waiting[0][2:26])
    elif storage_get("due") is not None:
        storage_delete("due")


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
        raise ValueError(f"`until`: {when} is neither a time nor a duration such as 1h 30m") from None
    text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if text <= now():
        raise ValueError(f"`until`: {text} has passed")
    return text


def _lent(need):
    """The disk that came with the call, which is to bear what is kept for it; none where disk is unlimited."""
    if call["paid"]:
        raise ValueError("this costs nothing: leave `pay` out")
    lent = 0
    for gift in call["given"]:
        if isinstance(gift, str) or gift["resource"] != "disk":
            raise ValueError("nothing but disk is to be given here")
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


def _bytes(value):
    # The bytes of a value as JSON, or some more: repr writes control characters shorter, and quotes.
    text = repr(value)
    return len(text.encode()) + text.count('"') + 2 * text.count("\\x")
