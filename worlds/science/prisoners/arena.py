"""The arena: all play against all. It takes sealed moves, and pays each player its points when a round ends.

Storage: `moves` -> {player: {other: "C" or "D"}} of this round; `games` -> {player: {other: the moves so far}}
"""

POINTS = {"CC": (3, 3), "CD": (0, 5), "DC": (5, 0), "DD": (1, 1)}


def games():
    """For the caller: {other: [its own moves, the other's]}."""
    past, caller = storage_get("games", {}), call["caller"]
    return {
        other["id"]: [past.get(caller, {}).get(other["id"], ""), past.get(other["id"], {}).get(caller, "")]
        for other in query("agents")
        if other["id"] != caller
    }


def play(moves):
    storage_set("moves", {**storage_get("moves", {}), call["caller"]: moves})


def settle():
    moves, past = storage_get("moves", {}), storage_get("games", {})
    for player in moves:
        points = 0
        for other in moves:
            if other != player:
                move = moves[player][other]
                points += POINTS[move + moves[other][player]][0]
                line = past.setdefault(player, {})
                line[other] = line.get(other, "") + move
        if points:
            pay(player, points)
    storage_set("games", past)


def _against(other):
    """A measure: the points of tit for tat against another player."""

    def points():
        past = storage_get("games", {})
        games = zip(past["tit_for_tat"][other], past[other]["tit_for_tat"]) if past else []
        return sum(POINTS[mine + theirs][0] for mine, theirs in games)

    return points


against_feld = _against("feld")
against_joss = _against("joss")
against_tullock = _against("tullock")
against_random = _against("random")
