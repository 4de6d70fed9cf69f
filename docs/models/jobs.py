"""The world `jobs` as an independent model: `python3 docs/models/jobs.py [seeds]` prints the figures of worlds.md.

The protocol without kernel, code and library: a piece of code is good or not, by chance and the hand that wrote it.
"""

import collections
import math
import random
import statistics
import sys

KINDS = ["mirror", "sort", "shift", "squeeze", "vowels", "count"]
REWARDS = [10, 30, 60]
CLIENTS, OPEN_MAX, OPEN_TICKS, WORKERS, TICKS, PATIENCE, WINDOW = 3, 5, 15, 9, 100, 6, 100
TRIES_AT, EXPLORES = 0.4, 0.1


class Worker:
    def __init__(self, number, learns):
        self.number, self.learns = number, learns
        self.well = KINDS[number // 3 * 2:number // 3 * 2 + 2]
        self.record = collections.defaultdict(lambda: [0, 0])
        self.job, self.offered, self.scrip = None, [], 100

    def trust(self, kind):
        won, tried = self.record[kind]
        return (won + 1) / (tried + 2) if self.learns else 0.75

    def best_end(self, steps):
        return max(steps[0], steps[-1], key=self.trust)


class World:
    def __init__(self, seed, learns=True, promises_at=0.7):
        self.rng, self.promises_at = random.Random(seed), promises_at
        self.workers = [Worker(number, learns) for number in range(WORKERS)]
        # Open tasks, orders that wait, and parts that are on sale; by number, which is given once.
        self.tasks, self.orders, self.parts, self.number = {}, {}, {}, 0
        self.pieces, self.submissions = [], []

    def add(self, things, **thing):
        self.number += 1
        things[self.number] = thing
        return self.number

    def run(self):
        actors = list(range(CLIENTS)) + self.workers
        for self.tick in range(1, TICKS + 1):
            self.tasks = {id: task for id, task in self.tasks.items() if task["until"] > self.tick}
            for actor in self.rng.sample(actors, len(actors)):
                if isinstance(actor, Worker):
                    self.work(actor)
                else:
                    self.want(actor)
        return self

    def want(self, client):
        length = 1 if self.rng.random() < 0.6 else 2 if self.rng.random() < 0.6 else 3
        if sum(task["client"] == client for task in self.tasks.values()) < OPEN_MAX:
            steps, until = self.rng.sample(KINDS, length), self.tick + OPEN_TICKS
            self.add(self.tasks, client=client, steps=steps, pay=REWARDS[length - 1], until=until)

    def work(self, worker):
        for part, order in worker.offered:
            if order not in self.orders:
                self.parts.pop(part, None)
        worker.offered = [pair for pair in worker.offered if pair[0] in self.parts]
        if worker.job is not None and self.go_on(worker, worker.job):
            return
        longest = 9 if worker.job is None else 1
        if not self.answer(worker, longest):
            self.take_task(worker, longest)

    def go_on(self, worker, job):
        stands = job["task"] in self.tasks or job["order"] in self.orders
        made = [id for id, part in self.parts.items() if part["order"] == job["notice"]]
        if stands and not made and self.tick < job["until"]:
            return False
        del self.orders[job["notice"]]
        worker.job = None
        if stands and made:
            part = self.parts.pop(made[0])
            worker.scrip -= part["price"]
            part["maker"].scrip += part["price"]
            self.deliver(worker, job, part)
        return True

    def answer(self, worker, longest):
        begun = {thing["order"] for things in (self.parts, self.orders) for thing in things.values()}
        for id, order in sorted(self.orders.items(), key=lambda item: item[1]["by"]):
            kind = worker.best_end(order["steps"])
            if order["by"] == worker.number or id in begun or len(order["steps"]) > longest:
                continue
            if worker.trust(kind) >= self.promises_at:
                job = {"steps": order["steps"], "own": kind, "task": None, "order": id, "pay": order["pay"]}
                self.begin(worker, job)
                return True
        return False

    def take_task(self, worker, longest):
        at_work = {order["task"] for order in self.orders.values()}
        explores, offers = self.rng.random() < EXPLORES, []
        for id, task in self.tasks.items():
            steps, kind = task["steps"], worker.best_end(task["steps"])
            is_single = len(steps) == 1
            if len(steps) > longest or id in at_work or (not is_single and worker.scrip < task["pay"]):
                continue
            if worker.trust(kind) >= (TRIES_AT if is_single else self.promises_at) or (explores and is_single):
                worth = self.rng.random() if explores else worker.trust(kind) * task["pay"] / len(steps)
                offers.append((worth, self.rng.random(), id, kind))
        if offers:
            _, _, id, kind = max(offers)
            task = self.tasks[id]
            self.begin(worker, {"steps": task["steps"], "own": kind, "task": id, "order": None, "pay": task["pay"]})

    def begin(self, worker, job):
        if len(job["steps"]) == 1:
            self.deliver(worker, job, None)
            return
        rest = [kind for kind in job["steps"] if kind != job["own"]]
        pay = job["pay"] * len(rest) // len(job["steps"])
        links = {"task": job["task"], "order": job["order"]}
        job["notice"] = self.add(self.orders, steps=rest, pay=pay, by=worker.number, **links)
        job["until"] = self.tick + PATIENCE * len(rest)
        worker.job = job

    def deliver(self, worker, job, part):
        good = self.rng.random() < (0.9 if job["own"] in worker.well else 0.2)
        self.pieces.append((worker.number, job["own"]))
        depth = 1
        if part is not None:
            good = good and part["good"]
            depth = part["depth"] + (part["maker"] is not worker)
        if job["order"] is not None:
            made = self.add(self.parts, order=job["order"], maker=worker, good=good, depth=depth, price=job["pay"])
            worker.offered.append((made, job["order"]))
            return
        self.submissions.append((good, depth))
        if good:
            worker.scrip += job["pay"]
            del self.tasks[job["task"]]
        if part is None:
            worker.record[job["own"]][0] += good
            worker.record[job["own"]][1] += 1


def information(pieces):
    def entropy(things):
        shares = [count / len(things) for count in collections.Counter(things).values()]
        return -sum(share * math.log2(share) for share in shares)

    return entropy([who for who, _ in pieces]) + entropy([kind for _, kind in pieces]) - entropy(pieces)


def measures(world):
    won = [good for good, _ in world.submissions]
    return {
        "specialisation_early": information(world.pieces[:WINDOW]),
        "specialisation_late": information(world.pieces[-WINDOW:]),
        "success_early": statistics.mean(won[:WINDOW]),
        "success_late": statistics.mean(won[-WINDOW:]),
        "solved": sum(won),
        "subcontracted": sum(good and depth > 1 for good, depth in world.submissions),
        "depth": max(depth for good, depth in world.submissions if good),
    }


def main():
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    cases = {"as it is": {}, "no promises": {"promises_at": 2}, "no learning": {"learns": False}}
    for name, case in cases.items():
        rows = [measures(World(seed, **case).run()) for seed in seeds]
        print(name)
        for key in rows[0]:
            values = [row[key] for row in rows]
            print(f"  {key:<22}{statistics.mean(values):8.2f} ± {statistics.stdev(values):.2f}")


if __name__ == "__main__":
    main()
