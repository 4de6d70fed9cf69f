"""Gives one coin to somebody else drawn at random, for as long as there is one to give."""


def step(observation):
    if observation["self"]["scrip"] == 0:
        return None
    other = query("agents", sample=1)[0]
    return {"op": "transfer", "to": other["id"], "amount": 1}
