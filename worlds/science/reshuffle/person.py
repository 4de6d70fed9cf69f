"""A person: pools all its money with that of somebody drawn at random, and the two divide it at random."""


def step(observation):
    other = query("agents", sample=1)[0]["id"]
    return {"op": "invoke", "artifact": me, "method": "visit", "args": [other]}


def visit(other):
    invoke(other, method="share", pay=get_balance())


def share():
    """For a visitor who has laid all its money on the table: every division of the sum is equally likely."""
    part = int(random() * (get_balance() + 1))
    if part:
        pay(call["caller"], part)
