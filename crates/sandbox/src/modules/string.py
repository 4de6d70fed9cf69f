class _OikosString:
    def capwords(self, text, sep=None):
        return (sep or " ").join([word.capitalize() for word in text.split(sep)])
_oikos_m_string = _OikosString()
_oikos_m_string.ascii_lowercase = "abcdefghijklmnopqrstuvwxyz"
_oikos_m_string.ascii_uppercase = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_oikos_m_string.ascii_letters = _oikos_m_string.ascii_lowercase + _oikos_m_string.ascii_uppercase
_oikos_m_string.digits = "0123456789"
_oikos_m_string.hexdigits = "0123456789abcdefABCDEF"
_oikos_m_string.octdigits = "01234567"
_oikos_m_string.punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_oikos_m_string.whitespace = " \t\n\r\x0b\x0c"
_oikos_m_string.printable = _oikos_m_string.digits + _oikos_m_string.ascii_letters + _oikos_m_string.punctuation + _oikos_m_string.whitespace
