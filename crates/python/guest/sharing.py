"""Steps of many: the code that may run for one agent after another in one instance.

Code may share an instance if nothing that one step does can be seen by the next. That is so by construction for code
of an ordinary kind: it changes its own objects only, and they end with its step. Code that could reach further (by
setting attributes of what is not its own, by looking below the surface of objects, by modules that hold state) runs in an
instance of its own: it loses nothing but speed.
"""

import opcode
import sys
import types

# Modules that hold nothing which code of an ordinary kind could change.
STATELESS = frozenset(
    """
    __future__ bisect cmath collections copy dataclasses datetime enum fractions functools heapq itertools json math
    operator random re statistics string textwrap typing
    """.split()
)

# Names that reach further: functions that change what they are given, find things by strings or keep registers.
REACHING_NAMES = frozenset(
    """
    attrgetter breakpoint cache_clear clear_overloads compile dataclass dataclass_transform delattr deprecated eval
    exec final ForwardRef Formatter getattr get_overloads get_type_hints global_enum global_enum_repr global_flag_repr
    global_str globals help locals methodcaller modules no_type_check open overload override purge register
    runtime_checkable setattr setstate simple_enum total_ordering update_abstractmethods update_wrapper vars wraps
    """.split()
)

# Special names that code of an ordinary kind defines.
ORDINARY_NAMES = frozenset(
    f"__{name}__"
    for name in """
    add and annotate annotations bool call classcell classdict conditional_annotations contains copy deepcopy delitem doc
    enter eq exit firstlineno floordiv format ge getitem gt hash iadd iand imul init int invert ior isub iter le
    len lt mod module mul name ne neg next or post_init pos pow qualname radd rand repr reversed rfloordiv rmod rmul ror round
    rpow rsub rtruediv setitem slots static_attributes str sub truediv type_params xor
    """.split()
)

# Attributes of those modules that are modules or containers themselves: by them code could leave something behind.
HOLDING = frozenset(
    name
    for module in STATELESS
    for name, value in vars(sys.modules[module]).items()
    if name[:1] == "_" or isinstance(value, (types.ModuleType, dict, list, set))
)

NAMES = frozenset(opcode.opmap[name] for name in ("LOAD_NAME", "LOAD_GLOBAL", "STORE_NAME", "STORE_GLOBAL"))
LOAD_GLOBAL, LOAD_ATTR = opcode.opmap["LOAD_GLOBAL"], opcode.opmap["LOAD_ATTR"]
LOAD_SUPER_ATTR = opcode.opmap["LOAD_SUPER_ATTR"]
IMPORT_NAME, IMPORT_FROM = opcode.opmap["IMPORT_NAME"], opcode.opmap["IMPORT_FROM"]
CHANGED = frozenset(opcode.opmap[name] for name in ("STORE_ATTR", "DELETE_ATTR"))
OWN = frozenset(opcode.opmap[name] for name in ("LOAD_FAST", "LOAD_FAST_BORROW"))
OWN_AFTER = frozenset(
    opcode.opmap[name] for name in ("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW")
)
EXTENDED = opcode.opmap["EXTENDED_ARG"]


def instructions(code):
    """The operations of code with their arguments."""
    argument = 0
    stream = code.co_code
    for operation, low in zip(stream[::2], stream[1::2]):
        argument = argument << 8 | low
        if operation == EXTENDED:
            continue
        yield operation, argument
        argument = 0


def is_special(name):
    return name[:2] == "__" and name[-2:] == "__" and name not in ORDINARY_NAMES


def may_share(code):
    """Whether code may run in an instance in which it ran before, for somebody else."""
    return all(map(is_ordinary, every_code(code)))


def every_code(code):
    todo = [code]
    while todo:
        found = todo.pop()
        yield found
        todo.extend(const for const in found.co_consts if isinstance(const, types.CodeType))


def is_ordinary(code):
    names = code.co_names
    before = None, 0
    for operation, argument in instructions(code):
        if operation == 0:
            continue
        if operation in NAMES:
            name = names[argument >> 1 if operation == LOAD_GLOBAL else argument]
            if name in REACHING_NAMES or is_special(name):
                return False
        elif operation == LOAD_ATTR or operation == LOAD_SUPER_ATTR:
            name = names[argument >> (1 if operation == LOAD_ATTR else 2)]
            # A special method that is called by its name could be given anything as its own object.
            special = name[:2] == "__" and operation == LOAD_ATTR and name != "__name__"
            if special or name in REACHING_NAMES or name in HOLDING and name not in ORDINARY_NAMES or is_special(name):
                return False
        elif operation == IMPORT_FROM:
            if names[argument] in HOLDING or names[argument] in REACHING_NAMES:
                return False
        elif operation == IMPORT_NAME:
            if names[argument] not in STATELESS:
                return False
        elif operation in CHANGED and not is_self(code, before):
            return False
        before = operation, argument
    return True


def is_self(code, loaded):
    """Whether an attribute is that of `self` in a special method, such as `__init__`: Python itself calls those, with
    an object of the class."""
    operation, argument = loaded
    if operation in OWN:
        at = argument
    elif operation in OWN_AFTER:
        at = argument & 15
    else:
        return False
    owner, dot, name = code.co_qualname.rpartition(".")
    is_method = dot and not owner.endswith("<locals>") and name in ORDINARY_NAMES
    return is_method and at == 0 and code.co_argcount > 0
