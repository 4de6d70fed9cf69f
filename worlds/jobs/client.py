"""A client: has texts worked on, in one step or several, and pays for code that does it well.

It posts a task with a plain example to look at and two hard ones that stay hidden until the end. It knows the mistakes
that hasty people make, and picks hard examples on which each of them shows.
"""

from itertools import groupby

PLAIN = ["lamp", "river", "stone", "forest", "bread", "winter"]
HARD = ["Zebra", "zebra", "aaargh", "Ooooh", "jazz", "Pizzza", "an", "Anna", "Izzzy", "banana"]
OPEN_MAX = 5
REWARDS = [10, 30, 60]


def count(text, of):
    return " ".join(f"{word} {of(word)}" for word in dict.fromkeys(text.split()))


def shift(text, z):
    return "".join(z(c) if c in "zZ" else chr(ord(c) + 1) if c.isalpha() else c for c in text)


def halve(text):
    for c in sorted(set(text)):
        text = text.replace(c + c, c)
    return text


WELL = {
    "mirror": lambda text: " ".join(word[::-1] for word in text.split()),
    "sort": lambda text: " ".join(sorted(text.split(), key=str.lower)),
    "shift": lambda text: shift(text, lambda c: chr(ord(c) - 25)),
    "squeeze": lambda text: "".join(c for c, _ in groupby(text)),
    "vowels": lambda text: "".join(c for c in text if c.lower() not in "aeiou"),
    "count": lambda text: count(text, lambda word: text.split().count(word)),
}
BADLY = {
    "mirror": lambda text: text[::-1],
    "sort": lambda text: " ".join(sorted(text.split())),
    "shift": lambda text: shift(text, lambda c: chr(ord(c) + 1)),
    "squeeze": halve,
    "vowels": lambda text: "".join(c for c in text if c not in "aeiou"),
    "count": lambda text: count(text, lambda word: text.count(word)),
}


def step(observation):
    return {"op": "invoke", "artifact": me, "method": "want"}


def want():
    """Posts one more task, unless enough of its own are open."""
    mine = [task for task in invoke("genesis_tasks", method="list_open") if task["poster"] == me]
    length = 1 if random() < 0.6 else 2 if random() < 0.6 else 3
    reward = REWARDS[length - 1]
    if len(mine) >= OPEN_MAX or get_balance() < reward:
        return None
    steps = sorted(WELL, key=lambda kind: random())[:length]
    plain = PLAIN[int(random() * len(PLAIN))]
    tests, hidden = [example(steps, plain)], [example(steps, text) for text in hard(steps)]
    return invoke("genesis_tasks", " | ".join(steps), tests, hidden, reward, "15m", method="post", pay=reward)


def example(steps, text):
    return {"args": [text], "result": done(steps, text)}


def done(steps, text, hasty=None):
    """The text after all steps, one of them done badly if it is named."""
    for kind in steps:
        text = (BADLY if kind == hasty else WELL)[kind](text)
    return text


def hard(steps):
    """Two texts that show every single mistake."""
    while True:
        texts = [" ".join(HARD[int(random() * len(HARD))] for _ in range(5)) for _ in range(2)]
        if all(any(done(steps, text, kind) != done(steps, text) for text in texts) for kind in steps):
            return texts
