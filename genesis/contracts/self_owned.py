"""genesis_contract_self_owned: only the artifact itself and its owner, for every action, reading too.

The default contract of an agent: nobody else reads its content, invokes its methods or rewrites its
code. The kernel decides it natively, exactly as this text says.
"""


def check_permission(caller, action, target, context, ledger):
    if caller is not None and caller == context["owner"]:
        return {"allowed": True, "reason": "the owner may"}
    if caller is not None and caller == context["artifact_id"]:
        return {"allowed": True, "reason": "the artifact itself may"}
    return {"allowed": False, "reason": "only the artifact itself and its owner may"}
