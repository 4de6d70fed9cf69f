"""sponsor: sells what the houses auction, and redeems it from the winners for what it is worth to them.

This is how laboratories make values real (Smith 1976). The sponsor tells each bidder, in secret, a whole number from 1
to `top`, all equally likely: it will buy a unit from that bidder, and from no other, for so much scrip. So a winner's
gain is its value less the price, in scrip, and whoever wins nothing gains nothing.

Beside each gain it notes what an honest bid, against the same bids of the others, would have gained: the value itself
under the uniform rule, and (bidders - 1) / bidders of it under the rule of first price, which is the best reply to
others who bid so. The difference, as a share of `top`, says what a bidder's ways are worth.

Storage: `value:ID` -> [value, style] until the hammer falls; `gains:HOUSE` -> {style: [auctions, gain, honest gain]}.
"""


def value(style):
    """The caller's value in this round, the same whenever it asks. `style`: how it bids, in a word for the books."""
    if not isinstance(style, str) or len(style) > 10:
        raise ValueError("a style is a word of up to 10 letters")
    key = "value:" + call["caller"]
    dealt = storage_get(key)
    if dealt is None:
        dealt = [1 + int(random() * read(me)["content"]["top"]), style]
        storage_set(key, dealt)
    return dealt[0]


def settle(rules, tables):
    """Redeems what was sold at the tables of a house, and keeps the books."""
    house = call["caller"]
    if house not in read(me)["content"]["houses"]:
        raise ValueError("the sponsor settles with its own houses only")
    books = storage_get("gains:" + house, {})
    for table in tables:
        bids, prices = table["bids"], table["prices"]
        for place, (bidder, _) in enumerate(bids):
            key = "value:" + bidder
            worth, style = storage_get(key, [0, "stranger"])
            if worth:
                storage_delete(key)
            gain = 0
            if bidder in prices:
                gain = worth - prices[bidder]
                if worth:
                    pay(bidder, worth)
            line = books.setdefault(style, [0, 0, 0])
            line[0] += 1
            line[1] += gain
            line[2] += _honest_gain(rules, bids, place, worth)
    storage_set("gains:" + house, books)


def _honest_gain(rules, bids, place, worth):
    """The gain of an honest bid in this place against the same bids of the others."""
    bid = worth if rules["rule"] == "uniform" else worth * (rules["bidders"] - 1) // rules["bidders"]
    others = bids[:place] + bids[place + 1 :]
    # Of equal bids the first wins.
    beaten_by = sum(other > bid or (other == bid and at < place) for at, (_, other) in enumerate(others))
    if beaten_by >= rules["units"]:
        return 0
    losing = sorted([other for _, other in others], reverse=True)[rules["units"] - 1 :]
    return worth - (bid if rules["rule"] == "first" else losing[0] if losing else 0)


def report():
    """Of each house and style: the auctions, the mean gain and the mean gain of honest bids, as shares of `top`."""
    top = read(me)["content"]["top"]
    return {
        key.removeprefix("gains:"): {
            style: {"auctions": line[0], "gain": line[1] / line[0] / top, "honest": line[2] / line[0] / top}
            for style, line in storage_get(key).items()
        }
        for key in storage_list("gains:")
    }


def _advantage(house, style):
    """A measure: how much more a style gained than honest bids would have."""

    def measure():
        line = report().get(house, {}).get(style)
        return line["gain"] - line["honest"] if line else 0.0

    return measure


second_80 = _advantage("grid_second", "80%")
second_90 = _advantage("grid_second", "90%")
second_110 = _advantage("grid_second", "110%")
second_120 = _advantage("grid_second", "120%")
uniform_80 = _advantage("grid_uniform", "80%")
uniform_90 = _advantage("grid_uniform", "90%")
uniform_110 = _advantage("grid_uniform", "110%")
uniform_120 = _advantage("grid_uniform", "120%")
spy_second = _advantage("spied_second", "spy")
spy_first = _advantage("spied_first", "spy")
