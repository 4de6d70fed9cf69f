"""The world `science/slots` in Mesa 3.3: `python docs/models/slots.py [seeds]`."""

import mesa
from report import last, report

CLICKS = [200, 100, 50]
VALUES = [10_000, 4_000, 2_000, 1_000]


class Advertiser(mesa.Agent):
    def __init__(self, model, value):
        super().__init__(model)
        self.value = self.bid = value

    def think(self):
        self.plan = self.bid
        if self.random.random() < self.model.hurry:
            others = sorted((other.bid for other in self.model.agents if other is not self), reverse=True)
            profits = [clicks * (self.value - price) for clicks, price in zip(CLICKS, others)]
            best = profits.index(max(profits))
            above = CLICKS[best - 1] if best else 2 * CLICKS[0]
            self.plan = max(self.value - profits[best] // above, 0) if profits[best] > 0 else self.value

    def act(self):
        self.bid = self.plan


class Search(mesa.Model):
    def __init__(self, seed, hurry=0.2):
        super().__init__(seed=seed)
        self.hurry = hurry
        Advertiser.create_agents(self, len(VALUES), VALUES)
        self.datacollector = mesa.DataCollector({"revenue": "revenue"})

    def step(self):
        self.agents.do("think")
        self.agents.do("act")
        ranking = self.agents.shuffle().sort("bid")
        self.revenue = sum(clicks * below.bid for clicks, below in zip(CLICKS, list(ranking)[1:]))
        self.datacollector.collect(self)


def run(seed, rounds=200, hurry=0.2):
    model = Search(seed, hurry)
    for _ in range(rounds):
        model.step()
    return last(model)


if __name__ == "__main__":
    for hurry in [0, 0.2, 0.5]:
        print(f"hurry {hurry}:")
        report(lambda seed, hurry=hurry: run(seed, hurry=hurry))
