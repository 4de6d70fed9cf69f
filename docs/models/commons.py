"""The world `science/commons` in Mesa 3.3: `python docs/models/commons.py [harvest]`."""

import sys

import mesa
from report import last


class Fisher(mesa.Agent):
    fish = 0

    def step(self):
        catch = min(self.model.harvest, self.model.stock)
        self.model.stock -= catch
        self.fish += catch


class Commons(mesa.Model):
    def __init__(self, harvest, count=6, rate_ppm=250_000, cap=1000, seed=None):
        super().__init__(seed=seed)
        self.harvest, self.rate_ppm, self.cap, self.stock = harvest, rate_ppm, cap, cap
        Fisher.create_agents(self, count)
        self.datacollector = mesa.DataCollector(
            {"stock": "stock", "caught": lambda model: sum(model.agents.get("fish"))}
        )

    def step(self):
        self.stock += self.stock * self.rate_ppm * (self.cap - self.stock) // (self.cap * 1_000_000)
        self.agents.shuffle_do("step")
        self.datacollector.collect(self)


def run(harvest, ticks=400):
    model = Commons(harvest)
    for _ in range(ticks):
        model.step()
    return last(model)


if __name__ == "__main__":
    for harvest in [int(sys.argv[1])] if len(sys.argv) > 1 else range(6, 14):
        print(harvest, run(harvest))
