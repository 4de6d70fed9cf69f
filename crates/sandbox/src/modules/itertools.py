import itertools as _oikos_n_itertools
class _OikosItertools:
    def islice(self, items, start, stop=None, step=1):
        if stop is None:
            start, stop = 0, start
        taken = []
        at = 0
        for item in items:
            if at >= stop:
                break
            if at >= start and (at - start) % step == 0:
                taken.append(item)
            at += 1
            if at >= stop:
                break
        return taken
    def accumulate(self, items, func=None, initial=None):
        out = []
        total = initial
        if initial is not None:
            out.append(initial)
        for item in items:
            if total is None:
                total = item
            else:
                total = func(total, item) if func else total + item
            out.append(total)
        return out
    def product(self, *lists, repeat=1):
        out = [()]
        for _ in range(repeat):
            for items in lists:
                items = list(items)
                out = [left + (right,) for left in out for right in items]
        return out
    def combinations(self, items, r):
        items = list(items)
        out = [()] if r == 0 else []
        if r <= 0:
            return out
        stack = [((), 0)]
        while stack:
            taken, start = stack.pop()
            if len(taken) == r:
                out.append(taken)
                continue
            for at in range(len(items) - 1, start - 1, -1):
                stack.append((taken + (items[at],), at + 1))
        return out
    def permutations(self, items, r=None):
        items = list(items)
        r = len(items) if r is None else r
        out = []
        stack = [((), ())]
        while stack:
            taken, used = stack.pop()
            if len(taken) == r:
                out.append(taken)
                continue
            for at in range(len(items) - 1, -1, -1):
                if at not in used:
                    stack.append((taken + (items[at],), used + (at,)))
        return out
    def groupby(self, items, key=None):
        out = []
        for item in items:
            mark = key(item) if key else item
            if out and out[-1][0] == mark:
                out[-1][1].append(item)
            else:
                out.append((mark, [item]))
        return out
    def zip_longest(self, *lists, fillvalue=None):
        lists = [list(items) for items in lists]
        longest = max([len(items) for items in lists]) if lists else 0
        return [tuple([items[at] if at < len(items) else fillvalue for items in lists]) for at in range(longest)]
    def takewhile(self, test, items):
        out = []
        for item in items:
            if not test(item):
                break
            out.append(item)
        return out
    def dropwhile(self, test, items):
        out = []
        dropping = True
        for item in items:
            dropping = dropping and bool(test(item))
            if not dropping:
                out.append(item)
        return out
    def starmap(self, func, items):
        return [func(*item) for item in items]
    def pairwise(self, items):
        items = list(items)
        return [(items[at], items[at + 1]) for at in range(len(items) - 1)]
def _oikos_chain(*lists):
    return [item for items in lists for item in items]
_oikos_m_itertools = _OikosItertools()
_oikos_m_itertools.chain = _oikos_chain
_oikos_m_itertools.count = _oikos_n_itertools.count
_oikos_m_itertools.repeat = _oikos_n_itertools.repeat
