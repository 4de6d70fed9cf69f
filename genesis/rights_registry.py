"""genesis_rights_registry: quotas, rates and balances, and hand-overs for code that only knows how to invoke.

It holds nothing of its own between calls. A transfer forwards the resources sent along with the call, so
the registry never reaches into anybody's account:

    invoke("genesis_rights_registry", "bob", method="transfer_quota", give=[{"resource": "disk", "amount": 1000}])
"""


def check_quota(of=None, resource=None):
    """The quota, rate or balance of a principal (the caller, if none is named) in a resource, or in all, and
    how much of it is free."""
    _takes_nothing()
    who = of if of is not None else call["caller"]
    held = query("resources", of=who)
    if resource is None:
        return held
    if resource not in held:
        known = ", ".join(held.keys())
        raise ValueError(f"this world has no resource {resource}; it has {known}")
    return held[resource]


def all_quotas():
    """The same of every principal, as {id: {resource: …}}."""
    _takes_nothing()
    quotas = {}
    for who in query("balances"):
        quotas[who] = query("resources", of=who)
    return quotas


def transfer_quota(to):
    """Forwards the resources sent along (`give`) to the principal `to`."""
    given = call["given"]
    if not given:
        raise ValueError('nothing was sent: name it as `give` of the invocation, such as [{"resource": "disk", "amount": 1000}]')
    if call["paid"]:
        raise ValueError("this costs nothing: leave `pay` out")
    for gift in given:
        if isinstance(gift, str):
            raise ValueError(f"{gift} is an artifact: genesis_ledger hands those over")
        transfer(to, gift["amount"], gift["resource"])
    return {"from": call["caller"], "to": to, "given": given}


def _takes_nothing():
    if call["paid"] or call["given"]:
        raise ValueError("this takes nothing: leave `pay` and `give` out")
