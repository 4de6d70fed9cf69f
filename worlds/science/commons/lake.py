"""A lake: its fish are a resource that it holds, which grows back by itself."""


def fish(wanted):
    """Gives the caller so many fish, or all that there are."""
    caught = min(wanted, stock())
    if caught:
        transfer(call["caller"], caught, resource="fish")


def stock():
    return query("resources")["fish"]["balance"]
