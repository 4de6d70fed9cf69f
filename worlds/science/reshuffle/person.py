"""A person: pools all its money with that of somebody drawn at random, and the two part it at random."""


def step(observation):
    other = query("agents", sample=1)[0]["id"]
    return {"op": "invoke", "artifact": me, "method": "visit", "args": [other]}


def visit(other):
    invoke(other, method="share", pay=get_balance())


def share():
    """Called by a visitor who has put all it has on the table: every division of the sum is equally likely."""
    pay(call["caller"], int(random() * (get_balance() + 1)))
