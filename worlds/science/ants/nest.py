"""The nest tells how mixed its ants are."""


def mix():
    """4 x (1 - x), where x is the share of black ants: 1 if half are black, 0 if all are alike."""
    colours = [read(ant["id"])["content"]["black"] for ant in query("agents")]
    share = sum(colours) / len(colours)
    return 4 * share * (1 - share)
