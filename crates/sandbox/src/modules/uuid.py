class _OikosUuid:
    def uuid4(self):
        digits = "0123456789abcdef"
        text = "".join([digits[_oikos_below(16)] for _ in range(32)])
        text = text[:12] + "4" + text[13:16] + digits[8 + _oikos_below(4)] + text[17:]
        return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
_oikos_m_uuid = _OikosUuid()
