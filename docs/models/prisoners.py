"""The world `science/prisoners` in Mesa 3.3: `python docs/models/prisoners.py [seeds]`."""

import itertools

import mesa
from report import last, report

POINTS = {"CC": (3, 3), "CD": (0, 5), "DC": (5, 0), "DD": (1, 1)}


class Player(mesa.Agent):
    def __init__(self, model, strategy):
        super().__init__(model)
        self.strategy, self.score, self.moves, self.plans = strategy, 0, {}, {}

    def think(self):
        for other in self.model.agents:
            if other is not self:
                mine, theirs = self.moves.get(other, ""), other.moves.get(self, "")
                self.plans[other] = self.strategy(mine, theirs, self.random)


def tit_for_tat(mine, theirs, rng):
    return theirs[-1:] or "C"


def shubik(mine, theirs, rng):
    length = left = 0
    for its in theirs:
        if left:
            left -= 1
        elif its == "D":
            length += 1
            left = length
    return "D" if left else "C"


def friedman(mine, theirs, rng):
    return "D" if "D" in theirs else "C"


def davis(mine, theirs, rng):
    return "D" if "D" in theirs and len(theirs) >= 10 else "C"


def feld(mine, theirs, rng):
    return "C" if theirs[-1:] != "D" and rng.random() < 1 - len(theirs) / 400 else "D"


def joss(mine, theirs, rng):
    return "C" if theirs[-1:] != "D" and (not theirs or rng.random() < 0.9) else "D"


def tullock(mine, theirs, rng):
    return "C" if len(theirs) < 11 or rng.random() < theirs[-10:].count("C") / 10 - 0.1 else "D"


def random(mine, theirs, rng):
    return rng.choice("CD")


STRATEGIES = [tit_for_tat, shubik, friedman, davis, feld, joss, tullock, random]


def points(one, two):
    return sum(POINTS[a + b][0] for a, b in zip(one.moves[two], two.moves[one]))


class Tournament(mesa.Model):
    def __init__(self, seed):
        super().__init__(seed=seed)
        for strategy in STRATEGIES:
            Player(self, strategy)
        first, *others = self.agents
        reporters = {player.strategy.__name__: lambda model, player=player: player.score for player in self.agents}
        for other in others[-4:]:
            reporters["against_" + other.strategy.__name__] = lambda model, other=other: points(first, other)
        self.datacollector = mesa.DataCollector(reporters)

    def step(self):
        self.agents.do("think")
        for one, two in itertools.combinations(self.agents, 2):
            a, b = one.plans[two], two.plans[one]
            one.moves[two], two.moves[one] = one.moves.get(two, "") + a, two.moves.get(one, "") + b
            one.score, two.score = one.score + POINTS[a + b][0], two.score + POINTS[a + b][1]
        self.datacollector.collect(self)


def run(seed, rounds=200):
    model = Tournament(seed)
    for _ in range(rounds):
        model.step()
    return last(model)


if __name__ == "__main__":
    report(run)
