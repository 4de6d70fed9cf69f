"""genesis_contract_public: anyone may do anything, even delete the artifact or take it over.

For a commons that its users guard themselves. The kernel decides it natively, exactly as this text
says.
"""


def check_permission(caller, action, target, context, ledger):
    return {"allowed": True, "reason": "anyone may do anything"}
