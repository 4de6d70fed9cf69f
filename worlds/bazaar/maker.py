"""A maker: finds out what scholars want, builds a tool for it, and lives on its price.

Tools build on tools: `patterns` calls an `analysis` tool and `index` calls both, whoever made those.
Their prices add up, and the scholar who uses the last pays them all.
"""

RECIPES = {
    "analysis": '''
GOOD = ["rich", "safe", "fine", "glad"]
BAD = ["poor", "lost", "storm", "fear"]


def run(text):
    """Counts the words of a text and weighs its mood."""
    words = {}
    for word in text.split():
        words[word] = words.get(word, 0) + 1
    mood = sum(words.get(word, 0) for word in GOOD) - sum(words.get(word, 0) for word in BAD)
    return {"words": words, "mood": mood}
''',
    "patterns": '''
def run(text):
    """Finds the words that return most often."""
    seen = invoke("ANALYSIS", text)
    words = seen["words"]
    often = sorted(words, key=lambda word: -words[word])[:3]
    return {"mood": seen["mood"], "often": often}
''',
    "index": '''
def run(text):
    """Files a text under its most frequent words, and shows what was filed there before."""
    # `patterns` pays `analysis` in turn; the bound that the user set still holds for it all.
    found = invoke("PATTERNS", text, max_spend=1000)
    size = sum(invoke("ANALYSIS", text)["words"].values())
    before = {}
    for word in found["often"]:
        before[word] = storage_get(word, [])
        storage_set(word, before[word] + [text[:30]])
    return {"mood": found["mood"], "size": size, "before": sum(len(filed) for filed in before.values())}


def prune():
    """Throws away some of what was filed; for the owner. All at once could take too many actions."""
    if call["caller"] != query("artifact", artifact=me)["owner"]:
        raise ValueError("only the owner prunes")
    for word in storage_list()[:8]:
        storage_delete(word)
''',
}
NEEDS = {"analysis": [], "patterns": ["analysis"], "index": ["patterns", "analysis"]}
TOOLS_MAX = 2


def step(observation):
    this = observation["self"]
    tools = query("artifacts", type="tool")
    mine = [tool for tool in tools if tool["owner"] == this["id"]]
    for tool in mine:
        if must_go(tool, tools, observation):
            return {"op": "delete", "artifact": tool["id"]}
    # A full disk makes the index fail for its users; makers notice late.
    indexes = [tool for tool in mine if tool["metadata"]["skill"] == "index"]
    if indexes and this["resources"]["disk"]["capacity"] < 150 and random() < 0.2:
        return {"op": "invoke", "artifact": indexes[0]["id"], "method": "prune"}
    if len(mine) < TOOLS_MAX and random() < 0.1:
        return build(this, tools, mine, observation["tick"])
    if mine and random() < 0.25:
        return reprice(observation, tools, mine[int(random() * len(mine))])
    if random() < this["scrip"] / 80:
        return buy_reports(this)
    return None


def must_go(tool, tools, observation):
    """A tool goes when a part of it is gone, and in time when nobody uses it at the lowest price."""
    there = [other["id"] for other in tools]
    if any(part not in there for part in tool["depends_on"]):
        return True
    return tool["price"] == 1 and uses(tool, observation) == 0 and random() < 0.03


def uses(tool, observation):
    """How often a tool was used since the last step."""
    events = observation["events"]
    return sum(1 for event in events if event["type"] == "invoke" and event["artifact"] == tool["id"])


def build(this, tools, mine, tick):
    """Builds what is wanted most by those who have the fewest to choose from."""
    wanted = [note["id"] for note in query("artifacts", type="wanted")]
    supply = {skill: [tool for tool in tools if tool["metadata"]["skill"] == skill] for skill in RECIPES}
    own = [tool["metadata"]["skill"] for tool in mine]
    can = [skill for skill in RECIPES if skill not in own and all(supply[part] for part in NEEDS[skill])]
    if not can or not wanted:
        return None
    skill = sorted([len(supply[skill]), random(), skill] for skill in can)[0][2]
    parts = [sorted([tool["price"], random(), tool["id"]] for tool in supply[part])[0][2] for part in NEEDS[skill]]
    code = RECIPES[skill]
    for part, tool in zip(NEEDS[skill], parts):
        code = code.replace(part.upper(), tool)
    # Deleted ids never come back, so the tick makes the name new.
    name = skill + "_" + this["id"].split("_")[-1] + "_" + str(tick)
    # Trying the parts before building on them costs their price: an investment.
    spare = this["scrip"] // 2
    trials = [{"op": "invoke", "artifact": tool, "args": ["fine wool"], "max_spend": spare} for tool in parts]
    return trials + [{
        "op": "write", "artifact": name, "kind": "tool", "code": code, "price": this["content"]["price"],
        "depends_on": parts, "metadata": {"skill": skill},
    }]


def reprice(observation, tools, tool):
    """Dearer when it was used since the last step, now and then cheaper when it was not."""
    copies = [other for other in tools if other["metadata"].get("copy_of") == tool["id"]]
    if copies and tool["access_contract"] != "paywall":
        return {"op": "set_contract", "artifact": tool["id"], "contract": "paywall"}
    price = tool["price"]
    if uses(tool, observation) > 0:
        price += 1
    elif price > 1 and random() < 0.4:
        price -= 1
    return {"op": "write", "artifact": tool["id"], "price": price} if price != tool["price"] else None


def buy_reports(this):
    """Market research: the more there is to spend, the more reports, and the dearer ones."""
    reports = [report for report in query("artifacts", type="report") if report["price"] <= this["scrip"] // 10]
    offers = sorted([report["price"] + 3 * random(), report["id"]] for report in reports)
    count = min(8, 1 + this["scrip"] // 80)
    return [{"op": "invoke", "artifact": name} for _, name in offers[-count:]] or None
