"""genesis_contract_private: only the owner, for every action; not even the artifact itself.

For what must stay as it is unless its owner acts: an agent under it can't rewrite itself unless it
owns itself. The kernel decides it natively, exactly as this text says.
"""


def check_permission(caller, action, target, context, ledger):
    if caller is not None and caller == context["owner"]:
        return {"allowed": True, "reason": "the owner may"}
    return {"allowed": False, "reason": "only the owner may"}
