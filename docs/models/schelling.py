"""The world `science/schelling` in Mesa 3.3: `python docs/models/schelling.py [seeds]`."""

import mesa
from mesa.discrete_space import CellAgent, OrthogonalMooreGrid
from report import last, report


class Resident(CellAgent):
    def __init__(self, model, cell, colour):
        super().__init__(model)
        self.cell, self.colour, self.goal = cell, colour, None

    def likeness(self):
        near = list(self.cell.neighborhood.agents)
        like = sum(other.colour == self.colour for other in near)
        return like / len(near) if near else None

    def think(self):
        likeness = self.likeness()
        unhappy = likeness is not None and 100 * likeness < self.model.wanted
        self.goal = self.model.grid.select_random_empty_cell() if unhappy else None

    def act(self):
        if self.goal is not None and self.goal.is_empty:
            self.cell = self.goal


class Town(mesa.Model):
    def __init__(self, seed, wanted, size=15, count=180):
        super().__init__(seed=seed)
        self.wanted = wanted
        self.grid = OrthogonalMooreGrid((size, size), torus=True, capacity=1, random=self.random)
        cells = self.random.sample(self.grid.all_cells.cells, count)
        Resident.create_agents(self, count, cells, [i % 2 for i in range(count)])
        self.datacollector = mesa.DataCollector({"alike": alike, "unhappy": unhappy})

    def step(self):
        self.agents.do("think")
        self.agents.shuffle_do("act")
        self.datacollector.collect(self)


def run(seed, wanted=30, ticks=60):
    model = Town(seed, wanted)
    for _ in range(ticks):
        model.step()
        if not unhappy(model):
            break
    return last(model)


def alike(model):
    shares = [agent.likeness() for agent in model.agents]
    shares = [share for share in shares if share is not None]
    return sum(shares) / len(shares)


def unhappy(model):
    shares = [agent.likeness() for agent in model.agents]
    return sum(share is not None and 100 * share < model.wanted for share in shares)


if __name__ == "__main__":
    for wanted in (30, 50, 70):
        print(f"wanted {wanted}:")
        report(lambda seed: run(seed, wanted))
