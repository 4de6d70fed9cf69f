"""genesis_scorer: points for an artifact by the strangers who pay for it.

One point for each principal who bought its use at once for at least `min_price` and is no friend of the owner: none of
those who own or made the one owns or made the other. One whose makers can't be told is no stranger. 100 points are the most.

    invoke("genesis_scorer", "text_analyzer", method="score")
"""

POINTS_MAX = 100
LOOKED_AT_MAX = 400
# How far owners and makers are followed.
CHAIN_MAX = 12


def score(artifact):
    """0 to 100 points for an artifact."""
    if call["paid"] or call["given"]:
        raise ValueError("this takes nothing: leave `pay` and `give` out")
    least = read(me)["content"]["min_price"]
    friends = _chain(get_artifact_info(artifact)["owner"], True)
    points = 0
    if friends is None:
        return points
    for customer in query("customers", artifact=artifact, amount=least, limit=LOOKED_AT_MAX):
        chain = _chain(customer["id"], False)
        if chain is not None and not chain & friends:
            points += 1
            if points == POINTS_MAX:
                break
    return points


def _chain(who, is_owner):
    """A principal with all who own or made it, and theirs; None where that can't be told. The library makes for
    everybody: of a customer whom it made nobody knows for whom, and of an owner if it is its own."""
    known, left = set(), [who]
    while left:
        one = left.pop()
        if one in known or one.startswith("genesis_"):
            continue
        info = _info(one)
        if info is None or len(known) == CHAIN_MAX:
            return None
        if info["creator"].startswith("genesis_") and not (is_owner and info["owner"] != one):
            return None
        known.add(one)
        left += [info["owner"], info["creator"]]
    return known


def _info(who):
    try:
        return get_artifact_info(who)
    except Exception as error:
        if not str(error).startswith("not_found"):
            raise
        return None
