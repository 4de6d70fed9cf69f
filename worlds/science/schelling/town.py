"""The town: a grid on which all live, and what it looks like. Ids say the colour: `red_001`."""


def settle():
    """Gives each its first house. A hook."""
    invoke("genesis_space", "town", 15, 15, True, 1, method="make_grid")
    homes = invoke("genesis_space", "town", len(query("agents")), method="free")
    for resident, home in zip(query("agents"), homes):
        invoke("genesis_space", "town", resident["id"], home, method="place")


def likeness(resident):
    """The share of a resident's neighbours that are of its own colour, or None where it has none."""
    home = invoke("genesis_space", "town", resident, method="where")
    near = [other for other in invoke("genesis_space", "town", home, 1, method="near") if other != resident]
    return sum(other[:3] == resident[:3] for other in near) / len(near) if near else None


# Measures.


def alike():
    shares = _shares()
    return sum(shares) / len(shares)


def unhappy():
    return sum(100 * share < parameters["wanted"] for share in _shares())


def _shares():
    shares = [likeness(resident["id"]) for resident in query("agents")]
    return [share for share in shares if share is not None]
