"""A player: the strategy of its own name, which decides by the moves so far, its own and the other's ("CCD…").

The strategies are entrants of Axelrod's first tournament, as he describes them (1980).
"""


def step(observation):
    games = invoke("arena", method="games")
    strategy = globals()["_" + me]
    moves = {other: strategy(mine, theirs) for other, (mine, theirs) in games.items()}
    return {"op": "invoke", "artifact": "arena", "method": "play", "args": [moves]}


def _tit_for_tat(mine, theirs):
    return theirs[-1:] or "C"


def _shubik(mine, theirs):
    """Punishes a defection by one defection, the next one by two, and so on."""
    length = left = 0
    for its in theirs:
        if left:
            left -= 1
        elif its == "D":
            length += 1
            left = length
    return "D" if left else "C"


def _friedman(mine, theirs):
    """Never forgives."""
    return "D" if "D" in theirs else "C"


def _davis(mine, theirs):
    """Never forgives, but from the eleventh round on."""
    return "D" if "D" in theirs and len(theirs) >= 10 else "C"


def _feld(mine, theirs):
    """Tit for tat that cooperates ever less after cooperations, in the end half of the time."""
    return "C" if theirs[-1:] != "D" and random() < 1 - len(theirs) / 400 else "D"


def _joss(mine, theirs):
    """Tit for tat that defects after a tenth of all cooperations."""
    return "C" if theirs[-1:] != "D" and (not theirs or random() < 0.9) else "D"


def _tullock(mine, theirs):
    """Cooperates eleven times, then a tenth less than the other did in the last ten rounds."""
    return "C" if len(theirs) < 11 or random() < theirs[-10:].count("C") / 10 - 0.1 else "D"


def _random(mine, theirs):
    return "C" if random() < 0.5 else "D"
