"""The world `science/second_price` in Mesa 3.3: `python docs/models/second_price.py [seeds]`."""

import mesa
from report import last, report

TOP = 10_000


class Bidder(mesa.Agent):
    def __init__(self, model, percent):
        super().__init__(model)
        self.percent, self.gain = percent, 0

    def think(self):
        self.value = self.random.randint(1, TOP)
        self.bid = self.value * self.percent // 100


class House(mesa.Model):
    def __init__(self, seed, bidders=4, percent=100):
        super().__init__(seed=seed)
        self.revenue = self.rounds = 0
        Bidder.create_agents(self, bidders, 100)
        Bidder.create_agents(self, 1, percent)
        *honest, deviator = self.agents
        self.datacollector = mesa.DataCollector(
            {
                "price": lambda model: model.revenue / model.rounds / TOP,
                "honest_gain": lambda model: sum(bidder.gain for bidder in honest) / bidders / model.rounds / TOP,
                "deviator_gain": lambda model: deviator.gain / model.rounds / TOP,
            }
        )

    def step(self):
        self.agents.do("think")
        ranking = self.agents.shuffle().sort("bid")
        price = ranking[1].bid
        ranking[0].gain += ranking[0].value - price
        self.revenue += price
        self.rounds += 1
        self.datacollector.collect(self)


def run(seed, rounds=400, percent=100):
    model = House(seed, percent=percent)
    for _ in range(rounds):
        model.step()
    return last(model)


if __name__ == "__main__":
    for percent in (60, 80, 100, 120, 140):
        print(f"the deviator bids {percent} % of its value:")
        report(lambda seed: run(seed, percent=percent))
