import functools as _oikos_n_functools
def _oikos_cached(function):
    seen = {}
    def call(*args):
        if args not in seen:
            seen[args] = function(*args)
        return seen[args]
    return call
def _oikos_lru_cache(maxsize=128, typed=False):
    if maxsize is None or isinstance(maxsize, int):
        return _oikos_cached
    return _oikos_cached(maxsize)
def _oikos_wraps(_wrapped):
    return lambda function: function
class _OikosFunctools:
    pass
_oikos_m_functools = _OikosFunctools()
_oikos_m_functools.reduce = _oikos_n_functools.reduce
_oikos_m_functools.partial = _oikos_n_functools.partial
_oikos_m_functools.lru_cache = _oikos_lru_cache
_oikos_m_functools.cache = _oikos_cached
_oikos_m_functools.wraps = _oikos_wraps
