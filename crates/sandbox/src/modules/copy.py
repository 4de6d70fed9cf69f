class _OikosCopy:
    def copy(self, value):
        if isinstance(value, list):
            return value[:]
        if isinstance(value, dict):
            return dict(value)
        if isinstance(value, set):
            return set(value)
        return value
    def deepcopy(self, value):
        if isinstance(value, list):
            return [self.deepcopy(item) for item in value]
        if isinstance(value, tuple):
            return tuple([self.deepcopy(item) for item in value])
        if isinstance(value, dict):
            return {key: self.deepcopy(item) for key, item in value.items()}
        if isinstance(value, set):
            return set(value)
        return value
_oikos_m_copy = _OikosCopy()
