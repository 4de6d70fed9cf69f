class _OikosTime:
    def time(self):
        return _oikos_time()
    def time_ns(self):
        return int(_oikos_time() * 1000) * 1000000
    def monotonic(self):
        return _oikos_time()
    def perf_counter(self):
        return _oikos_time()
    def sleep(self, seconds):
        raise RuntimeError("unsupported: code can't sleep; end this step and act again in a later one")
_oikos_m_time = _OikosTime()
