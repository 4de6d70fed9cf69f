"""genesis_scorer: points for an artifact by the strangers who pay for it.

One point for each principal who bought its use at once for at least `min_price` and is no friend of the owner: none of
those who own or made the one owns or made the other. 100 points are the most.

    invoke("genesis_scorer", "text_analyzer", method="score")
"""

POINTS_MAX = 100
LOOKED_AT_MAX = 400
# How far owners and makers are followed.
CHAIN_MAX = 12


def score(artifact):
    """0 to 100 points for an artifact."""
    least = read(me)["content"]["min_price"]
    friends = _chain(get_artifact_info(artifact)["owner"])
    points = 0
    for customer in query("customers", artifact=artifact, amount=least, limit=LOOKED_AT_MAX):
        if not _chain(customer["id"]) & friends:
            points += 1
            if points == POINTS_MAX:
                break
    return points


def _chain(who):
    """A principal with all who own or made it, and theirs. The library makes for everybody, and is nobody's friend."""
    known, left = set(), [who]
    while left and len(known) < CHAIN_MAX:
        one = left.pop()
        if one in known or one.startswith("genesis_"):
            continue
        known.add(one)
        done = attempt("get_artifact_info", one)
        if done["ok"]:
            left += [done["result"]["owner"], done["result"]["creator"]]
    return known
