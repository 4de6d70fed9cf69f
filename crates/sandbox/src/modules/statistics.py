import math as _oikos_math
class _OikosStatistics:
    def _items(self, data, least=1):
        items = list(data)
        if len(items) < least:
            raise ValueError("at least " + str(least) + " data points are needed")
        return items
    def mean(self, data):
        items = self._items(data)
        return sum(items) / len(items)
    def fmean(self, data):
        return float(self.mean(data))
    def median(self, data):
        items = sorted(self._items(data))
        half = len(items) // 2
        if len(items) % 2 == 1:
            return items[half]
        return (items[half - 1] + items[half]) / 2
    def mode(self, data):
        items = self._items(data)
        counts = {}
        for item in items:
            counts[item] = counts.get(item, 0) + 1
        best = items[0]
        for item in items:
            if counts[item] > counts[best]:
                best = item
        return best
    def pvariance(self, data):
        items = self._items(data)
        center = sum(items) / len(items)
        return sum([(item - center) ** 2 for item in items]) / len(items)
    def variance(self, data):
        items = self._items(data, 2)
        return self.pvariance(items) * len(items) / (len(items) - 1)
    def stdev(self, data):
        return _oikos_math.sqrt(self.variance(data))
    def pstdev(self, data):
        return _oikos_math.sqrt(self.pvariance(data))
_oikos_m_statistics = _OikosStatistics()
