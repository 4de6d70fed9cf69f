"""genesis_ledger: balances for everyone to see, and transfers for code that only knows how to invoke.

It holds nothing of its own between calls. A transfer forwards the scrip that was sent along with
the call, so the ledger never reaches into anybody's purse:

    invoke("genesis_ledger", "bob", method="transfer", pay=5)
"""


def balance(of=None):
    """The scrip of a principal; of the caller if none is named."""
    _takes_nothing()
    who = of if of is not None else call["caller"]
    return query("balance", of=who)


def all_balances():
    """The scrip of every principal, as {id: scrip}."""
    _takes_nothing()
    return query("balances")


def transfer(to):
    """Forwards the scrip sent along (`pay`) to the principal `to`."""
    amount = call["paid"]
    if amount < 1:
        raise ValueError("nothing was sent: name the amount as `pay` of the invocation")
    if call["given"]:
        raise ValueError("scrip alone is handed on here: leave `give` out")
    pay(to, amount)
    return {"from": call["caller"], "to": to, "amount": amount}


def spawn_principal(id):
    """Creates a principal with nothing, which is the caller's; its result is its id."""
    _takes_nothing()
    if not write(id, kind="principal", has_standing=True)["created"]:
        raise ValueError(f"there is {id} already")
    _hand_over(id, call["caller"])
    return id


def transfer_ownership(to):
    """Hands the artifacts sent along (`give`) to the principal `to`."""
    given = [gift for gift in call["given"] if isinstance(gift, str)]
    if not given:
        raise ValueError("nothing was sent: name the artifacts as `give` of the invocation")
    if call["paid"]:
        raise ValueError("this costs nothing: leave `pay` out")
    if to.startswith("genesis_"):
        raise ValueError(f"{to} takes things with a call of its own only")
    # The ledger owns them at this moment, and only until the next line is done.
    for artifact in given:
        _hand_over(artifact, to)
    for gift in call["given"]:
        if not isinstance(gift, str):
            # The disk on which they lay meanwhile.
            _move(call["caller"], gift)
    return {"from": call["caller"], "to": to, "artifacts": given}


def _hand_over(artifact, to):
    # A method of the same name hides the op, so it is called through `attempt`.
    done = attempt("transfer_ownership", artifact, to)
    if not done["ok"]:
        raise ValueError(f"{artifact}: {done['error']['code']}: {done['error']['message']}")


def _move(to, gift):
    # A method of the same name hides the op.
    done = attempt("transfer", to, gift["amount"], gift["resource"])
    if not done["ok"]:
        raise ValueError(f"{gift['resource']}: {done['error']['code']}: {done['error']['message']}")


def _takes_nothing():
    if call["paid"] or call["given"]:
        raise ValueError("this takes nothing: leave `pay` and `give` out")
