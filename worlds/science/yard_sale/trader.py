"""A trader: tosses a coin with somebody drawn at random, for a share of the poorer one's wealth."""


def step(observation):
    other = query("agents", sample=1)[0]["id"]
    poorer = min(observation["self"]["scrip"], query("balance", of=other))
    # Rounded up, so that the stake of the poorest is not nothing for ever.
    stake = -(-poorer * parameters["stake_percent"] // 100)
    return {"op": "invoke", "artifact": other, "method": "toss", "pay": stake} if stake else None


def toss():
    """Called with the caller's stake: meets it, and both go to the caller or stay here."""
    if get_balance() < 2 * call["paid"]:
        raise ValueError("has lost too much since to meet the stake")
    if random() < 0.5:
        pay(call["caller"], 2 * call["paid"])
