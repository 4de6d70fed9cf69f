"""The world `science/queue` in Mesa 3.3: `python docs/models/queue_mm1.py [seeds]`."""

import mesa
from mesa.experimental.devs import DEVSimulator
from report import last, report


class Street(mesa.Agent):
    def arrive(self):
        self.model.desk.join()
        self.model.clock.schedule_event_relative(self.arrive, self.random.expovariate(self.model.load))


class Desk(mesa.Agent):
    def __init__(self, model):
        super().__init__(model)
        self.queue, self.area, self.since, self.waited, self.served = [], 0.0, 0.0, 0.0, 0

    def look(self):
        self.area += len(self.queue) * (self.model.clock.time - self.since)
        self.since = self.model.clock.time

    def join(self):
        self.look()
        self.queue.append(self.model.clock.time)
        if len(self.queue) == 1:
            self.begin()

    def begin(self):
        self.model.clock.schedule_event_relative(self.serve, self.random.expovariate(1))

    def serve(self):
        self.look()
        self.waited += self.model.clock.time - self.queue.pop(0)
        self.served += 1
        if self.queue:
            self.begin()


class Office(mesa.Model):
    def __init__(self, seed, load, clock):
        super().__init__(seed=seed)
        self.load, self.clock = load, clock

    def open(self):
        self.desk = Desk(self)
        self.datacollector = mesa.DataCollector(
            {
                "present": lambda model: model.desk.area / max(model.desk.since, 1),
                "stay": lambda model: model.desk.waited / max(model.desk.served, 1),
                "served": lambda model: model.desk.served,
            }
        )
        Street(self).arrive()


def run(seed, load=0.7, minutes=4000):
    clock = DEVSimulator()
    model = Office(seed, load, clock)
    clock.setup(model)
    model.open()
    for _ in range(minutes // 400):
        clock.run_for(400)
        model.datacollector.collect(model)
    return last(model)


if __name__ == "__main__":
    for load in (0.5, 0.7, 0.8):
        print(f"load {load}:")
        report(lambda seed: run(seed, load))
