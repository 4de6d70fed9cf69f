import math as _oikos_math
class _OikosRandom:
    def __init__(self):
        self.spare = None
    def random(self):
        return _oikos_random()
    def seed(self, *args):
        _oikos_seed(*args)
        self.spare = None
    def randrange(self, start, stop=None, step=1):
        if stop is None:
            start, stop = 0, start
        n = (stop - start + step - (1 if step > 0 else -1)) // step
        if n <= 0:
            raise ValueError("empty range for randrange()")
        return start + step * _oikos_below(n)
    def randint(self, a, b):
        if b < a:
            raise ValueError("empty range for randint()")
        return a + _oikos_below(b - a + 1)
    def choice(self, seq):
        if len(seq) == 0:
            raise IndexError("Cannot choose from an empty sequence")
        return seq[_oikos_below(len(seq))]
    def choices(self, population, weights=None, k=1):
        items = list(population)
        if weights is None:
            return [items[_oikos_below(len(items))] for _ in range(k)]
        total = sum(weights)
        if total <= 0:
            raise ValueError("Total of weights must be greater than zero")
        picked = []
        for _ in range(k):
            left = _oikos_random() * total
            at = 0
            while at < len(items) - 1 and left >= weights[at]:
                left -= weights[at]
                at += 1
            picked.append(items[at])
        return picked
    def shuffle(self, items):
        for i in range(len(items) - 1, 0, -1):
            j = _oikos_below(i + 1)
            held = items[i]
            items[i] = items[j]
            items[j] = held
    def sample(self, population, k):
        items = list(population)
        if k < 0 or k > len(items):
            raise ValueError("Sample larger than population or is negative")
        for i in range(k):
            j = i + _oikos_below(len(items) - i)
            held = items[i]
            items[i] = items[j]
            items[j] = held
        return items[:k]
    def uniform(self, a, b):
        return a + (b - a) * _oikos_random()
    def expovariate(self, lambd=1.0):
        return -_oikos_math.log(1.0 - _oikos_random()) / lambd
    def gauss(self, mu=0.0, sigma=1.0):
        if self.spare is not None:
            z = self.spare
            self.spare = None
        else:
            turn = _oikos_random() * 2.0 * _oikos_math.pi
            reach = _oikos_math.sqrt(-2.0 * _oikos_math.log(1.0 - _oikos_random()))
            z = _oikos_math.cos(turn) * reach
            self.spare = _oikos_math.sin(turn) * reach
        return mu + z * sigma
    def normalvariate(self, mu=0.0, sigma=1.0):
        return self.gauss(mu, sigma)
    def getrandbits(self, k):
        return _oikos_below(2 ** k)
_oikos_m_random = _OikosRandom()
