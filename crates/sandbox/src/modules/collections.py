import collections as _oikos_n_collections
class _OikosCollections:
    pass
_oikos_m_collections = _OikosCollections()
_oikos_m_collections.Counter = _oikos_n_collections.Counter
_oikos_m_collections.defaultdict = _oikos_n_collections.defaultdict
_oikos_m_collections.deque = _oikos_n_collections.deque
_oikos_m_collections.namedtuple = _oikos_n_collections.namedtuple
_oikos_m_collections.OrderedDict = dict
