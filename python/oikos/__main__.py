"""`python -m oikos`: the program `oikos`, with the same arguments."""

import os
import subprocess
import sys

from oikos.binary import find_binary

if __name__ == "__main__":
    found = [find_binary(), *sys.argv[1:]]
    if os.name == "posix":
        os.execv(found[0], found)
    sys.exit(subprocess.run(found).returncode)
