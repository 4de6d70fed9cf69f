class _OikosHeapq:
    def _down(self, heap, start, at):
        item = heap[at]
        while at > start:
            parent = (at - 1) // 2
            if not item < heap[parent]:
                break
            heap[at] = heap[parent]
            at = parent
        heap[at] = item
    def _up(self, heap, at):
        end = len(heap)
        start = at
        item = heap[at]
        child = 2 * at + 1
        while child < end:
            if child + 1 < end and not heap[child] < heap[child + 1]:
                child += 1
            heap[at] = heap[child]
            at = child
            child = 2 * at + 1
        heap[at] = item
        self._down(heap, start, at)
    def heappush(self, heap, item):
        heap.append(item)
        self._down(heap, 0, len(heap) - 1)
    def heappop(self, heap):
        last = heap.pop()
        if not heap:
            return last
        first = heap[0]
        heap[0] = last
        self._up(heap, 0)
        return first
    def heapify(self, heap):
        for at in range(len(heap) // 2 - 1, -1, -1):
            self._up(heap, at)
    def heappushpop(self, heap, item):
        self.heappush(heap, item)
        return self.heappop(heap)
    def heapreplace(self, heap, item):
        first = self.heappop(heap)
        self.heappush(heap, item)
        return first
    def nlargest(self, n, items, key=None):
        return sorted(items, key=key, reverse=True)[:n]
    def nsmallest(self, n, items, key=None):
        return sorted(items, key=key)[:n]
_oikos_m_heapq = _OikosHeapq()
