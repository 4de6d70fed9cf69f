"""The world `science/yard_sale` in Mesa 3.3: `python docs/models/yard_sale.py [seeds]`."""

import mesa
from report import gini, last, report


class Trader(mesa.Agent):
    def __init__(self, model, scrip):
        super().__init__(model)
        self.scrip = scrip

    def think(self):
        self.other = self.random.choice(self.model.agents)
        while self.other is self:
            self.other = self.random.choice(self.model.agents)
        self.stake = -(-min(self.scrip, self.other.scrip) * self.model.stake_percent // 100)

    def act(self):
        if min(self.scrip, self.other.scrip) >= self.stake > 0:
            won = self.stake if self.random.random() < 0.5 else -self.stake
            self.scrip += won
            self.other.scrip -= won


class YardSale(mesa.Model):
    def __init__(self, seed, count=20, start=1000, stake_percent=50):
        super().__init__(seed=seed)
        self.stake_percent = stake_percent
        Trader.create_agents(self, count, start)
        self.datacollector = mesa.DataCollector(
            {
                "gini": lambda model: gini(model.agents.get("scrip")),
                "richest": lambda model: max(model.agents.get("scrip")) / (count * start),
                "nine": lambda model: sum(model.agents.get("scrip")[:9]),
            }
        )

    def step(self):
        self.agents.do("think")
        self.agents.shuffle_do("act")
        self.datacollector.collect(self)


def run(seed, ticks=400):
    model = YardSale(seed)
    for _ in range(ticks):
        model.step()
    return last(model)


if __name__ == "__main__":
    report(run)
