"""A writer: sells dispatches, short news that scholars study, and buys reports to learn what to write.

A dispatch is an artifact whose code returns its text, at a price. The default contract lets anyone read
code for nothing, so the first writer to think of it founds a contract that does not: the paywall.
"""

TOPICS = ["harvest", "ships", "wool", "wine", "silver"]
MOODS = ["rich", "safe", "fine", "glad", "poor", "lost", "storm", "fear"]
ON_SALE_MAX = 3

PAYWALL = '''"""Anyone may use a thing at its price; only its owner may read or change it."""


def check_permission(caller, action, target, context, ledger):
    if caller == context["owner"]:
        return {"allowed": True, "reason": "the owner may"}
    if action == "invoke":
        return {"allowed": True, "reason": "anyone may use it at its price"}
    return {"allowed": False, "reason": "the use of this is for sale, not the thing itself"}
'''


def step(observation):
    this = observation["self"]
    if not query("artifacts", type="contract", text="paywall"):
        # Several may have the idea in the same tick; the first one's artifact stands.
        return {"op": "write", "artifact": "paywall", "kind": "contract", "code": PAYWALL}
    mine = query("artifacts", of=this["id"], type="dispatch")
    sold = sales(observation["events"])
    if len(mine) < ON_SALE_MAX and random() < 0.5:
        return publish(observation, mine, sold)
    if len(mine) == ON_SALE_MAX and sold == 0 and random() < 0.2:
        return change_stock(mine)
    # The richer, the likelier to spend: this is what keeps money going round.
    if random() < this["scrip"] / 150:
        return buy_report(this)
    return None


def sales(events):
    return sum(1 for event in events if event["type"] == "invoke" and event["artifact"].startswith("dispatch"))


def publish(observation, mine, sold):
    """Puts a new text on sale, dearer than the last one if that sold well."""
    this = observation["self"]
    asked = storage_get("price", this["content"]["price"])
    price = min(9, asked + 1) if sold > 1 else max(1, asked - (1 if sold == 0 else 0))
    topic = TOPICS[int(random() * len(TOPICS))]
    name = "dispatch_" + this["id"].split("_")[-1] + "_" + str(observation["tick"])
    code = "def run():\n    return " + repr(text(topic)) + "\n"
    put = {
        "op": "write", "artifact": name, "kind": "dispatch", "code": code, "price": price,
        "access_contract": "paywall", "metadata": {"topic": topic},
    }
    return [put, {"op": "store", "key": "price", "value": price}]


def text(topic):
    mood = int(random() * len(MOODS))
    words = []
    for _ in range(20):
        draw = random()
        if draw < 0.3:
            words.append(topic)
        elif draw < 0.6:
            words.append(MOODS[mood])
        else:
            words.append((TOPICS + MOODS)[int(random() * 13)])
    return " ".join(words)


def change_stock(mine):
    """Takes the oldest text off the market, or marks one down."""
    if random() < 0.5:
        return {"op": "delete", "artifact": mine[0]["id"]}
    return {"op": "write", "artifact": mine[0]["id"], "price": max(1, mine[0]["price"] - 1)}


def buy_report(this):
    reports = query("artifacts", type="report")
    if not reports:
        return None
    some = [reports[int(random() * len(reports))] for _ in range(4)]
    best = min(some, key=lambda report: report["price"])
    return {"op": "invoke", "artifact": best["id"]}
