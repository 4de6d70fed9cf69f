# Runs first at the boot: reads the library, and holds what seals the snapshot.
import builtins, gc, importlib, sys

# All that code may import. Nothing else can be: there are no files when code runs.
_LIBRARY = """
__future__ abc argparse array ast asyncio base64 bdb binascii bisect builtins calendar cmath code codecs codeop collections
collections.abc colorsys concurrent.futures concurrent.futures.thread configparser contextlib contextvars copy copyreg csv dataclasses datetime
decimal difflib dis encodings.idna enum errno fnmatch fractions functools gc genericpath getopt getpass gettext graphlib hashlib
heapq hmac html html.entities html.parser importlib inspect io ipaddress itertools json keyword linecache locale logging marshal
math numbers opcode operator optparse os os.path pathlib pickle pickletools platform posixpath pprint queue quopri random re
reprlib sched secrets shlex signal stat statistics string string.templatelib stringprep struct symtable sys textwrap threading
time timeit token tokenize tomllib traceback types typing unicodedata urllib.parse uuid warnings weakref xml.etree.ElementTree
zlib _strptime _suggestions _pydatetime _pylong _colorize encodings.ascii encodings.latin_1 encodings.utf_8_sig encodings.utf_16
encodings.utf_16_le encodings.utf_16_be encodings.utf_32 encodings.utf_32_le encodings.utf_32_be encodings.cp1252 encodings.cp437
encodings.punycode encodings.hex_codec encodings.base64_codec encodings.rot_13 encodings.zlib_codec encodings.quopri_codec
encodings.unicode_escape encodings.raw_unicode_escape encodings.charmap encodings.iso8859_15
""".split()

_missing = []
for _name in _LIBRARY:
    try:
        importlib.import_module(_name)
    except ImportError as _error:
        _missing.append((_name, str(_error)))
if _missing:
    raise ImportError(f"not in the library: {_missing}")


_call = builtins._oikos_call


def _boot_ids():
    """Tells the host of every object that can be reached."""
    import array
    gc.collect()
    seen, todo = {}, gc.get_objects() + [sys.modules, builtins.__dict__]
    while todo:
        found = todo.pop()
        if id(found) not in seen:
            seen[id(found)] = found
            todo.extend(gc.get_referents(found))
    _call(b"ids" + array.array("I", list(seen)).tobytes())


def _boot_seal():
    """Leaves room in the allocator's pools, so that small runs need no new memory. Code finds nothing of the boot."""
    del builtins._oikos_call, builtins._oikos_driver
    sys.modules["__main__"] = sys.modules["artifact"]
    gc.collect()
    room = [bytes(200) for _ in range(20000)]
    globals()["_room"] = room[::4000]
    del room
    gc.collect()
    gc.freeze()
