class _OikosLedger:
    def get_scrip(self, principal):
        return _oikos_ledger_get_scrip(principal)
    def can_afford_scrip(self, principal, amount):
        return _oikos_ledger_can_afford_scrip(principal, amount)
    def get_resource(self, principal, resource):
        return _oikos_ledger_get_resource(principal, resource)
    def can_spend_resource(self, principal, resource, amount):
        return _oikos_ledger_can_spend_resource(principal, resource, amount)
    def get_all_resources(self, principal):
        return _oikos_ledger_get_all_resources(principal)
    def principal_exists(self, principal):
        return _oikos_ledger_principal_exists(principal)
_oikos_ledger = _OikosLedger()
