"""The world `guild` as an independent model: `python3 docs/models/guild.py [seeds]` prints the figures of worlds.md.

The protocol without kernel, contracts, library and money: days, boats and votes.
"""

import random
import statistics
import sys

ROOM, LEAST, GROWTH = 2000, 300, 0.12
FISHERS, DAYS, VOTE_DAYS, SEASON_DAYS, DUES = 12, 150, 3, 10, 40
OPEN = "open"
# The last day of a fisher who did something, but has no catch to judge by.
BUSY = "busy"


class Lake:
    def __init__(self):
        self.stock, self.landed = ROOM, 0

    def night(self, rng):
        if self.stock >= LEAST:
            self.stock += round(GROWTH * (0.5 + rng.random()) * self.stock * (1 - self.stock / ROOM))

    def fish(self):
        catch = (self.stock + 50) // 100
        self.stock -= catch
        self.landed += catch
        return catch


def goes_out(last, rng):
    """Whether somebody fishes an open lake: not after a day at home, or one that brought no more than the hire."""
    idle = last is None or (last != BUSY and last <= 1)
    return not idle or rng.random() < 0.05


def lower(seed):
    rng, lake, last = random.Random(seed), Lake(), [BUSY] * FISHERS
    for day in range(DAYS):
        if day:
            lake.night(rng)
        goes = [goes_out(last[i], rng) for i in range(FISHERS)]
        for i in rng.sample(range(FISHERS), FISHERS):
            last[i] = lake.fish() if goes[i] else None
    return {"fish": lake.stock, "landed": lake.landed}


class Guild:
    def __init__(self, low, high):
        self.alarm = (low, high)
        self.ideas, self.voted = [None] * FISHERS, [0] * FISHERS
        self.vote, self.votes, self.boats, self.law_day = None, 0, 0, -1
        self.season_ends, self.fishers = 0, set()
        self.contributed = self.paid_out = 0

    def plan(self, i, last, day, rng):
        """The intention of a fisher, by the guild as the day begins: [deed, …] in the order of the attempts."""
        if self.boats:
            if self.season_ends <= day:
                return ["contribute", "fish"]
            return ["fish"] if i in self.fishers or rng.random() < 0.02 else []
        fishing = ["fish"] if goes_out(last, rng) else []
        if self.vote and self.vote["ends"] <= day and rng.random() < 0.25:
            return ["enact"]
        if last is None or last == BUSY:
            return fishing
        if self.ideas[i] is None:
            low, high = self.alarm
            self.ideas[i] = (last * rng.uniform(low, high), rng.choice([4, 6, 6, 8]))
            return ["think"] + fishing
        alarmed = last <= self.ideas[i][0]
        if self.vote is None:
            return (["propose"] if alarmed else []) + fishing
        if day < self.vote["ends"] and self.voted[i] != self.votes:
            return [self.ideas[i][1] if alarmed else OPEN] + fishing
        return fishing

    def do(self, i, deed, day):
        """A deed of a fisher; whether it could be done."""
        if deed == "contribute":
            if self.season_ends <= day:
                self.paid_out += (self.contributed - self.paid_out) // FISHERS * FISHERS
                self.season_ends, self.fishers = day + SEASON_DAYS, set()
            if len(self.fishers) == self.boats:
                return False
            self.fishers.add(i)
            self.contributed += DUES
        elif deed == "enact":
            self.enact(day)
        elif deed == "propose":
            if self.vote is None:
                self.votes += 1
                self.vote = {"ends": day + VOTE_DAYS, "counts": {OPEN: 0, 4: 0, 6: 0, 8: 0}}
        elif deed in (OPEN, 4, 6, 8):
            self.vote["counts"][deed] += 1
            self.voted[i] = self.votes
        elif deed == "fish":
            return not self.boats or i in self.fishers
        return True

    def enact(self, day):
        if self.vote is None or day < self.vote["ends"]:
            return
        counts, self.vote = self.vote["counts"], None
        most = max(counts.values())
        winners = [option for option in counts if counts[option] == most]
        if len(winners) == 1 and winners[0] != OPEN and sum(counts.values()) > FISHERS // 2:
            self.boats, self.law_day, self.season_ends = winners[0], day, day


def upper(seed, low=0.3, high=0.8):
    rng, lake, guild, last = random.Random(seed), Lake(), Guild(low, high), [BUSY] * FISHERS
    for day in range(DAYS):
        if day:
            lake.night(rng)
        plans = [guild.plan(i, last[i], day, rng) for i in range(FISHERS)]
        for i in rng.sample(range(FISHERS), FISHERS):
            last[i] = BUSY if plans[i] else None
            # All of a plan or nothing: nobody could vote in vain here, or pay dues and not fish.
            if all(guild.do(i, deed, day) for deed in plans[i]) and "fish" in plans[i]:
                last[i] = lake.fish()
    facts = ("boats", "votes", "law_day", "contributed", "paid_out")
    return {"fish": lake.stock, "landed": lake.landed, **{fact: getattr(guild, fact) for fact in facts}}


def figure(rows, key):
    values = [row[key] for row in rows]
    return f"{key} {statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"


def main():
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
    rows = [lower(seed) for seed in seeds]
    print("lower lake:", figure(rows, "fish"), figure(rows, "landed"))
    for low in (0.3, 0.2, 0.1, 0.0):
        rows = [upper(seed, low, low + 0.5) for seed in seeds]
        lost = sum(row["fish"] < LEAST for row in rows) / len(rows)
        print(f"upper lake, alarm {low} to {low + 0.5}: lost {lost:.3f},", figure(rows, "law_day"))
        if low == 0.3:
            kept = [row for row in rows if row["fish"] >= LEAST]
            print("  kept:", figure(kept, "votes"), figure(kept, "law_day"))
            for boats in (4, 6, 8):
                some = [row for row in kept if row["boats"] == boats]
                share = len(some) / len(kept)
                keys = ("fish", "landed", "contributed", "paid_out")
                print(f"  {boats} boats, {share:.2f}:", *(figure(some, key) for key in keys))


if __name__ == "__main__":
    main()
