"""The world `science/reshuffle` in Mesa 3.3: `python docs/models/reshuffle.py [seeds]`."""

import statistics

import mesa
from report import gini, last, report


class Person(mesa.Agent):
    def __init__(self, model, scrip):
        super().__init__(model)
        self.scrip = scrip

    def step(self):
        other = self.random.choice(self.model.agents)
        while other is self:
            other = self.random.choice(self.model.agents)
        total = self.scrip + other.scrip
        self.scrip = self.random.randint(0, total)
        other.scrip = total - self.scrip


class Reshuffle(mesa.Model):
    def __init__(self, seed, count=500, start=1000):
        super().__init__(seed=seed)
        Person.create_agents(self, count, start)
        self.datacollector = mesa.DataCollector(
            {
                "gini": lambda model: gini(model.agents.get("scrip")),
                "median": lambda model: statistics.median(model.agents.get("scrip")),
                "top_tenth": lambda model: sum(sorted(model.agents.get("scrip"))[-count // 10 :]) / (count * start),
            }
        )

    def step(self):
        self.agents.shuffle_do("step")
        self.datacollector.collect(self)


def run(seed, ticks=20):
    model = Reshuffle(seed)
    for _ in range(ticks):
        model.step()
    return last(model)


if __name__ == "__main__":
    report(run)
