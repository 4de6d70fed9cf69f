"""The models of `oikos bench` in Mesa: prints its version, or the CPU time of a run, in seconds."""

import sys
import time

import mesa


class Idle(mesa.Agent):
    def step(self):
        pass


class Coins(mesa.Agent):
    def __init__(self, model):
        super().__init__(model)
        self.wealth = 1

    def step(self):
        if self.wealth:
            other = self.random.choice(self.model.everybody)
            self.wealth -= 1
            other.wealth += 1


class Reshuffle(mesa.Agent):
    def __init__(self, model):
        super().__init__(model)
        self.wealth = 1000

    def step(self):
        other = self.random.choice(self.model.everybody)
        both = self.wealth + other.wealth
        self.wealth = self.random.randint(0, both)
        other.wealth = both - self.wealth


class World(mesa.Model):
    def __init__(self, kind, agents):
        super().__init__(seed=1)
        kind.create_agents(self, agents)
        # A choice from the set of agents takes as long as there are agents; from a list it doesn't.
        self.everybody = list(self.agents)

    def step(self):
        self.agents.shuffle_do("step")


if len(sys.argv) == 1:
    print(mesa.__version__)
else:
    kind, agents, ticks = {"noop": Idle, "coins": Coins, "reshuffle": Reshuffle}[sys.argv[1]], *map(int, sys.argv[2:4])
    world = World(kind, agents)
    begun = time.process_time()
    for _ in range(ticks):
        world.step()
    print(time.process_time() - begun)
