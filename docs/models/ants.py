"""The world `science/ants` in Mesa 3.3: `python docs/models/ants.py [seeds]`."""

import mesa
from report import last, report


class Ant(mesa.Agent):
    def __init__(self, model, black):
        super().__init__(model)
        self.black = black

    def step(self):
        luck = self.random.random()
        if luck < self.model.alone:
            self.black = 1 - self.black
        elif luck < self.model.alone + self.model.met:
            other = self
            while other is self:
                other = self.random.choice(self.model.ants)
            self.black = other.black


class Nest(mesa.Model):
    def __init__(self, seed, alone, met, count):
        super().__init__(seed=seed)
        self.alone, self.met = alone, met
        self.ants = list(Ant.create_agents(self, count, [i % 2 for i in range(count)]))
        self.datacollector = mesa.DataCollector(
            {"black": Nest.black, "mix": lambda model: 4 * model.black() * (1 - model.black())}
        )

    def black(self):
        return sum(ant.black for ant in self.ants) / len(self.ants)

    def step(self):
        for _ in self.ants:
            self.random.choice(self.ants).step()
        self.datacollector.collect(self)


def run(seed, alone=0.01, met=0.9, count=20, minutes=200):
    model = Nest(seed, alone, met, count)
    for _ in range(minutes):
        model.step()
    return last(model)


if __name__ == "__main__":
    for alone in (0.01, 0.047, 0.2):
        print(f"alone {alone}:")
        report(lambda seed: run(seed, alone))
