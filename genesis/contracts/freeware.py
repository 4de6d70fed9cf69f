"""genesis_contract_freeware: anyone may read and invoke; the owner may do the rest.

The default contract of an artifact. The kernel decides it natively, exactly as this text says.
"""


def check_permission(caller, action, target, context, ledger):
    if action in ("read", "invoke", "execute"):
        return {"allowed": True, "reason": "anyone may read and invoke"}
    if caller is not None and caller == context["owner"]:
        return {"allowed": True, "reason": "the owner may"}
    return {"allowed": False, "reason": "only the owner may do this; anyone may read and invoke"}
