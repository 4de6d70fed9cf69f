class _OikosHash:
    def __init__(self, name, data):
        self.name = name
        self.data = data
    def update(self, data):
        self.data = self.data + data
    def hexdigest(self):
        return _oikos_hash(self.name, self.data)
    def digest(self):
        return bytes.fromhex(self.hexdigest())
class _OikosHashlib:
    def sha256(self, data=b""):
        return _OikosHash("sha256", data)
    def md5(self, data=b""):
        return _OikosHash("md5", data)
_oikos_m_hashlib = _OikosHashlib()
