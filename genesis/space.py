"""genesis_space: places, and who is where.

    invoke("genesis_space", "field", 20, 20, True, 1, method="make_grid")
    invoke("genesis_space", "field", me, [3, 4], method="place")
    invoke("genesis_space", "field", [3, 5], method="move")
    invoke("genesis_space", "field", [3, 5], 1, method="near")

The maker of a space places whom it wants; anybody else places, moves and takes away only itself. Looking changes nothing
and is free of permission, so that minds may do it while they think. No answer takes longer because the space is larger.

Storage: `s|NAME` the space; `w|NAME|ID` where somebody is; `a|NAME|PLACE|ID` who is there, so that those of a row stand
in one piece; `n|NAME|PLACE` how many, where a capacity is to be kept; `o|NAME|NUMBER` a place with room in the stead of a
full one, `p|NAME|PLACE` where it stands. A graph has `g|NAME|NODE` its nodes by name, `v|NAME|NUMBER` by number, `e|NAME|NODE|OTHER` its edges.
"""

NAME_MAX, NODE_MAX, SIDE_MAX, CAPACITY_MAX, SAMPLE_MAX = 48, 64, 1_000_000, 1_000_000, 1_000
LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:")
PAGE = 200


def make_grid(name, width, height, torus=False, capacity=None):
    """Makes a grid of cells `[x, y]`, from `[0, 0]` on; `capacity` is how many a cell holds, and null no limit."""
    for side, length in (("width", width), ("height", height)):
        if not 1 <= length <= SIDE_MAX:
            raise ValueError(f"`{side}`: 1 to {SIDE_MAX}")
    space = {"kind": "grid", "name": name, "by": call["caller"], "width": width, "height": height, "torus": torus}
    space |= {"capacity": _capacity(capacity), "size": width * height, "placed": 0, "full": 0}
    space["lent"] = _lent(_new(name, space))
    storage_set("s|" + name, space)
    return name


def make_graph(name, edges, capacity=None):
    """Makes a graph of nodes, all of them texts or all integers, by its edges `[one, other]`; a node alone is `[node]`."""
    space = {"kind": "graph", "name": name, "by": call["caller"], "integers": None, "capacity": _capacity(capacity)}
    space |= {"size": 0, "placed": 0, "full": 0, "lent": 0}
    lent = _lent(0)
    need = _new(name, space) + _connect(name, space, edges)
    _enough(lent, need)
    space["lent"] = lent
    storage_set("s|" + name, space)
    return name


def connect(name, edges):
    """Adds edges, and nodes, to a graph; its maker's."""
    space, lent = _space(name), _lent(0)
    if space["kind"] != "graph":
        raise ValueError(f"{name} is a grid")
    if space["by"] != call["caller"]:
        raise ValueError(f"{name} is for {space['by']} to change")
    _enough(lent, _connect(name, space, edges))
    space["lent"] += lent
    storage_set("s|" + name, space)
    return space["size"]


def place(name, id, at):
    """Places somebody: its maker anybody, also anew, and anybody else itself, once. Its result is the place."""
    space, caller = _space(name), call["caller"]
    if id != caller and caller != space["by"]:
        raise ValueError(f"{caller} places nobody but itself in {name}: only {space['by']} does")
    key = _key(space, at)
    there = storage_get(f"w|{name}|{id}")
    if there is None:
        if not _is_there(id):
            raise ValueError(f"there is no {id} to be placed")
        _enter(name, space, id, key, _lent(_cost(space, id)))
        storage_set("s|" + name, space)
    elif caller == space["by"]:
        _takes_nothing()
        _shift(name, space, id, there, key)
    else:
        raise ValueError(f"{id} is at {_shown(space, there[0])} of {name}: `move` it")
    return _shown(space, key)


def move(name, to):
    """Moves the caller."""
    _takes_nothing()
    space, id = _space(name), call["caller"]
    there = storage_get(f"w|{name}|{id}")
    if there is None:
        raise ValueError(f"{id} is nowhere in {name}: `place` it first")
    key = _key(space, to)
    _shift(name, space, id, there, key)
    return _shown(space, key)


def leave(name, id=None):
    """Takes the caller away; for the maker, and of those who are gone for everybody, somebody else."""
    _takes_nothing()
    space, caller = _space(name), call["caller"]
    if id is None:
        id = caller
    there = storage_get(f"w|{name}|{id}")
    if there is None:
        return False
    if id != caller and caller != space["by"] and _is_there(id):
        raise ValueError(f"{caller} takes nobody but itself away from {name}")
    _drop(name, space, id, there)
    storage_set("s|" + name, space)
    return True


def where(name, id):
    """The place of somebody, or null."""
    _takes_nothing()
    space = _space(name)
    there = storage_get(f"w|{name}|{id}")
    return None if there is None else _shown(space, there[0])


def at(name, cell):
    """The ids of those at a cell or node, in order."""
    _takes_nothing()
    prefix = f"a|{name}|{_key(_space(name), cell)}|"
    return [key[len(prefix):] for key in _keys(prefix)]


def near(name, cell, radius=1, metric="moore"):
    """The ids of those within a radius, those at the place too: `moore` counts a step aslant as one, `neumann` as two. In a
    graph the radius counts edges."""
    _takes_nothing()
    space = _space(name)
    key = _key(space, cell)
    if radius < 0:
        raise ValueError("`radius`: 0 or more")
    _reach(0, 0, metric)
    if space["kind"] == "graph":
        return [id for node in _around(name, key, radius) for id in _ids(f"a|{name}|{node}|")]
    x, y = _xy(key)
    width, height, is_torus = space["width"], space["height"], space["torus"]
    found = []
    # Where there are fewer than rows to look at, all of them are looked at.
    if space["placed"] <= min(2 * radius + 1, height):
        for entry in _keys(f"a|{name}|"):
            other_y, other_x, id = entry[len(name) + 3:].split("|", 2)
            far = _apart(y, int(other_y), height, is_torus)
            if far <= radius and _apart(x, int(other_x), width, is_torus) <= _reach(radius, far, metric):
                found.append(id)
        return found
    for row, far in _spans(y, radius, height, is_torus):
        reach = _reach(radius, far, metric)
        for first, last in _ranges(x, reach, width, is_torus):
            found += _between(f"a|{name}|{row:06}|", first, last)
    return found


def neighbours(name, node, metric="moore"):
    """The nodes that edges join to a node; of a grid, the cells around a cell: eight, or four with `neumann`."""
    _takes_nothing()
    space = _space(name)
    key = _key(space, node)
    if space["kind"] == "graph":
        return sorted(_node(space, entry) for entry in _ids(f"e|{name}|{key}|"))
    x, y = _xy(key)
    cells = []
    for row, far in _spans(y, 1, space["height"], space["torus"]):
        for first, last in _ranges(x, _reach(1, far, metric), space["width"], space["torus"]):
            cells += [[column, row] for column in range(first, last + 1) if (column, row) != (x, y)]
    return cells


def free(name, sample=1):
    """So many places that have room, each once, drawn by chance; all of them, if there are fewer."""
    _takes_nothing()
    space = _space(name)
    if not 1 <= sample <= SAMPLE_MAX:
        raise ValueError(f"`sample`: 1 to {SAMPLE_MAX}")
    left = space["size"] - space["full"]
    drawn, swapped = [], {}
    for taken in range(min(sample, left)):
        pick = taken + int(random() * (left - taken))
        position = swapped.get(pick, pick)
        swapped[pick] = swapped.get(taken, taken)
        drawn.append(_shown(space, _free_at(space, space["full"] + position)))
    return drawn


def info(name):
    """The facts of a space: its kind, its maker, its size, how many are placed and how many places are full."""
    _takes_nothing()
    space = _space(name)
    return {key: space[key] for key in space if key not in ("lent", "integers")}


# ---------------------------------------------------------------------------------------------------------------
# Spaces, and the names of places: `yyyyyy|xxxxxx` in a grid, the node in a graph.


def _new(name, space):
    """The bytes of a new space."""
    if not 1 <= len(name) <= NAME_MAX or not LETTERS.issuperset(name):
        raise ValueError(f"`name`: 1 to {NAME_MAX} letters, digits and _ - . :")
    if storage_get("s|" + name) is not None:
        raise ValueError(f"there is a space {name} already")
    return 400 + len(space["by"])


def _space(name):
    space = storage_get("s|" + name) if LETTERS.issuperset(name) and len(name) <= NAME_MAX else None
    if space is None:
        raise ValueError(f"there is no space {name[:NAME_MAX]}")
    return space


def _capacity(capacity):
    if capacity is not None and not 1 <= capacity <= CAPACITY_MAX:
        raise ValueError(f"`capacity`: 1 to {CAPACITY_MAX}, or null for no limit")
    return capacity


def _key(space, at):
    """The name of a place; beyond the border of a torus a cell is one on the other side."""
    if space["kind"] == "graph":
        if isinstance(at, bool) or not isinstance(at, (str, int)):
            raise ValueError("a node is named by a text or an integer")
        if not _has_node(space, at):
            raise ValueError(f"there is no node {str(at)[:NODE_MAX]}")
        return str(at)
    if not isinstance(at, list) or len(at) != 2 or any(isinstance(n, bool) or not isinstance(n, int) for n in at):
        raise ValueError("a cell is [x, y], two integers")
    x, y = at
    if space["torus"]:
        x, y = x % space["width"], y % space["height"]
    if not (0 <= x < space["width"] and 0 <= y < space["height"]):
        raise ValueError(f"{at} is outside the grid of {space['width']} by {space['height']}")
    return f"{y:06}|{x:06}"


def _xy(key):
    return int(key[7:]), int(key[:6])


def _shown(space, key):
    return _node(space, key) if space["kind"] == "graph" else list(_xy(key))


# ---------------------------------------------------------------------------------------------------------------
# Graphs.


def _node(space, key):
    return int(key) if space["integers"] else key


def _has_node(space, node):
    return isinstance(node, int) == space["integers"] and storage_get(f"g|{space['name']}|{node}") is not None


def _connect(name, space, edges):
    """Adds nodes and edges; its result is the bytes that they take."""
    need = 0
    for edge in edges:
        if len(edge) not in (1, 2):
            raise ValueError("an edge is [one, other], and a node alone [node]")
        for node in edge:
            need += _add_node(name, space, node)
        if len(edge) == 2 and edge[0] != edge[1]:
            for one, other in (edge, reversed(edge)):
                key = f"e|{name}|{one}|{other}"
                if storage_get(key) is None:
                    storage_set(key, 1)
                    need += len(key.encode()) + 24
    return need


def _add_node(name, space, node):
    if isinstance(node, bool) or not isinstance(node, (str, int)):
        raise ValueError("a node is named by a text or an integer")
    if space["integers"] is None:
        space["integers"] = isinstance(node, int)
    text = str(node)
    if isinstance(node, int) != space["integers"]:
        raise ValueError("the nodes of a graph are all texts, or all integers")
    if not 1 <= len(text) <= NODE_MAX or "|" in text or not text.isascii():
        raise ValueError(f"a node has 1 to {NODE_MAX} ASCII letters, without |")
    if storage_get(f"g|{name}|{text}") is not None:
        return 0
    storage_set(f"g|{name}|{text}", space["size"])
    storage_set(f"v|{name}|{space['size']}", text)
    space["size"] += 1
    return 2 * (len(name) + len(text)) + 80


def _around(name, key, radius):
    """The nodes within so many edges, the nearest first."""
    seen, edge = {key: None}, [key]
    while edge and radius > 0:
        edge = [other for node in edge for other in _ids(f"e|{name}|{node}|")]
        edge = [node for node in dict.fromkeys(edge) if node not in seen]
        seen.update(dict.fromkeys(edge))
        radius -= 1
    return list(seen)


# ---------------------------------------------------------------------------------------------------------------
# Rows of a grid.


def _spans(middle, radius, length, is_torus):
    """The rows within a radius, in order, each with its distance."""
    if not is_torus:
        first, last = max(0, middle - radius), min(length - 1, middle + radius)
        return [(row, abs(row - middle)) for row in range(first, last + 1)]
    if 2 * radius + 1 >= length:
        return [(row, min((row - middle) % length, (middle - row) % length)) for row in range(length)]
    rows = [((middle + far) % length, abs(far)) for far in range(-radius, radius + 1)]
    return sorted(rows)


def _reach(radius, far, metric):
    """How far one may be aside who is so many rows away."""
    if metric == "moore":
        return radius
    if metric == "neumann":
        return radius - far
    raise ValueError("`metric`: moore or neumann")


def _ranges(middle, reach, length, is_torus):
    """The columns within reach, as ranges in order."""
    if not is_torus:
        return [(max(0, middle - reach), min(length - 1, middle + reach))]
    if 2 * reach + 1 >= length:
        return [(0, length - 1)]
    first, last = (middle - reach) % length, (middle + reach) % length
    return [(first, last)] if first <= last else [(0, last), (first, length - 1)]


def _apart(one, other, length, is_torus):
    far = abs(one - other)
    return min(far, length - far) if is_torus else far


# ---------------------------------------------------------------------------------------------------------------
# Those who are placed.


def _keys(prefix):
    """All keys with a prefix, in order."""
    keys = page = storage_list(prefix, limit=PAGE)
    while len(page) == PAGE:
        page = storage_list(prefix, page[-1], PAGE)
        keys = keys + page
    return keys


def _ids(prefix):
    return [key[len(prefix):] for key in _keys(prefix)]


def _between(prefix, first, last):
    """The ids in a row from one column to another."""
    found, after, limit = [], f"{prefix}{first:06}", 16
    while True:
        page = storage_list(prefix, after, limit)
        for key in page:
            column, id = key[len(prefix):].split("|", 1)
            if int(column) > last:
                return found
            found.append(id)
        if len(page) < limit:
            return found
        after, limit = page[-1], PAGE


def _is_there(id):
    """Whether there is such an artifact, and it is not deleted."""
    try:
        get_artifact_info(id)
    except Exception as error:
        if not str(error).startswith(("not_found", "invalid_argument")):
            raise
        return False
    return True


def _enter(name, space, id, key, lent):
    _fill(name, space, key)
    storage_set(f"a|{name}|{key}|{id}", 1)
    storage_set(f"w|{name}|{id}", [key, call["caller"], lent])
    space["placed"] += 1


def _shift(name, space, id, there, key):
    before, counts = there[0], (space["placed"], space["full"])
    if before == key:
        return
    is_full, had = _count(name, space, key, 1), _count(name, space, before, -1)
    if had:
        _becomes_free(space, before)
    if is_full:
        _becomes_full(space, key)
    storage_delete(f"a|{name}|{before}|{id}")
    storage_set(f"a|{name}|{key}|{id}", 1)
    storage_set(f"w|{name}|{id}", [key, *there[1:]])
    if counts != (space["placed"], space["full"]):
        storage_set("s|" + name, space)


def _drop(name, space, id, there):
    key, lender, lent = there
    if _count(name, space, key, -1):
        _becomes_free(space, key)
    storage_delete(f"a|{name}|{key}|{id}")
    storage_delete(f"w|{name}|{id}")
    space["placed"] -= 1
    if lent:
        _hand(lender, lent, "disk")


def _fill(name, space, key):
    if _count(name, space, key, 1):
        _becomes_full(space, key)


def _count(name, space, key, by):
    """One more or less at a place: whether it is full by that, or was until then."""
    capacity = space["capacity"]
    if capacity is None:
        return False
    slot = f"n|{name}|{key}"
    before = storage_get(slot, 0)
    if by > 0 and before >= capacity:
        # Those who are gone make room.
        for gone in _ids(f"a|{name}|{key}|")[:PAGE]:
            if not _is_there(gone):
                _drop(name, space, gone, storage_get(f"w|{name}|{gone}"))
                return _count(name, space, key, by)
        raise ValueError(f"{_shown(space, key)} of {name} is full: it holds {capacity}")
    if before + by > 0:
        storage_set(slot, before + by)
    else:
        storage_delete(slot)
    return max(before, before + by) == capacity


# ---------------------------------------------------------------------------------------------------------------
# The places with room, in a row from the number of full ones on: each at its own number, and one whose own number is
# below that in the stead of a full one above it. So only full places take storage, however large the space is.


def _number(space, key):
    if space["kind"] == "graph":
        return storage_get(f"g|{space['name']}|{key}")
    x, y = _xy(key)
    return y * space["width"] + x


def _free_at(space, number):
    """The place with room that stands at a number from that of the full ones on."""
    other = storage_get(f"o|{space['name']}|{number}")
    return _home(space, number) if other is None else other


def _stand(space, key, number):
    """Has a place with room stand at a number: its own, or that of a full one."""
    if _number(space, key) == number:
        storage_delete(f"o|{space['name']}|{number}")
        storage_delete(f"p|{space['name']}|{key}")
    else:
        storage_set(f"o|{space['name']}|{number}", key)
        storage_set(f"p|{space['name']}|{key}", number)


def _becomes_full(space, key):
    first, number = space["full"], _number(space, key)
    stood = number if number >= first else storage_get(f"p|{space['name']}|{key}")
    moved = _free_at(space, first)
    space["full"] += 1
    storage_delete(f"o|{space['name']}|{first}")
    storage_delete(f"p|{space['name']}|{key}")
    if stood != first:
        _stand(space, moved, stood)


def _becomes_free(space, key):
    number, last = _number(space, key), space["full"] - 1
    space["full"] = last
    if number > last:
        # Its stand-in makes room for it.
        key = storage_get(f"o|{space['name']}|{number}")
        storage_delete(f"o|{space['name']}|{number}")
    elif number == last:
        return
    at_last = _home(space, last)
    stood = storage_get(f"p|{space['name']}|{at_last}")
    if stood is None or at_last == key:
        _stand(space, key, last)
    else:
        _stand(space, at_last, last)
        _stand(space, key, stood)


def _home(space, number):
    """The place whose own number it is."""
    if space["kind"] == "graph":
        return storage_get(f"v|{space['name']}|{number}")
    y, x = divmod(number, space["width"])
    return f"{y:06}|{x:06}"


# ---------------------------------------------------------------------------------------------------------------
# Disk.


def _cost(space, id):
    """Bytes that the place of somebody takes at most: its two keys, a count, and two places in the order."""
    place = NODE_MAX if space["kind"] == "graph" else 13
    return 8 * len(space["name"]) + 2 * len(id) + len(call["caller"]) + 6 * place + 320


def _lent(need):
    """The disk that came with the call, which is to bear what is kept for it; none where disk is unlimited."""
    if call["paid"]:
        raise ValueError("this costs nothing: leave `pay` out")
    lent = 0
    for gift in call["given"]:
        if isinstance(gift, str) or gift["resource"] != "disk":
            raise ValueError("nothing but disk is to be given here")
        lent = gift["amount"]
    _enough(lent, need)
    return lent


def _enough(lent, need):
    if 0 < lent < need:
        raise ValueError(f'this takes {need} bytes: `give` {{"resource": "disk", "amount": {need}}}')


def _hand(to, amount, *resource):
    """Hands something on. One who is gone, or can't hold it, leaves it here; all else that fails undoes the call."""
    try:
        transfer(to, amount, *resource)
    except Exception as error:
        if not str(error).startswith(("not_found", "invalid_argument")):
            raise
        return False
    return True


def _takes_nothing():
    if call["paid"] or call["given"]:
        raise ValueError("this takes nothing: leave `pay` and `give` out")
