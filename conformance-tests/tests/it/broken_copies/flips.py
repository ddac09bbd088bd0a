"""Judges pairs of logs and bundles with one bit flipped, again and again, in one process.

  flips.py VERIFIER LOG PEM

reads lines of a file and a bit from the standard input, and prints what the verifier says of each: `holds`, or a class.
A file is a bundle with its key beside it, NAME and NAME.vkey, or one of a log: PAIR/SHARD/..., where PAIR/LOG is the
newest log of the pair, and PAIR/vkey its key.
"""
import os
import pathlib
import sys

sys.path.insert(0, sys.argv[1])
import bundle  # noqa: E402
import log  # noqa: E402
import timestamps  # noqa: E402
from faults import Fault  # noqa: E402
from notes import LOG, VerifierKey  # noqa: E402

NEWEST = sys.argv[2]
FILES = {os.path.normpath(path): path.read_bytes() for path in pathlib.Path().rglob("*") if path.is_file()}
KEYS = {path[:-len("/vkey")]: VerifierKey(key, LOG) for path, key in FILES.items() if path.endswith("vkey")}
TRUSTED = timestamps.authorities(pathlib.Path(sys.argv[3]).read_bytes())


class Flipped:
    """A file that is read with one bit flipped."""

    def __init__(self, path, bit):
        self.path, data = path, bytearray(FILES[path])
        data[bit // 8] ^= 1 << bit % 8
        self.data = bytes(data)

    def read_bytes(self):
        return self.data

    def of_log(self, folder, name):
        path = os.path.normpath(folder / name)
        if path == self.path:
            return self.data
        if path not in FILES:
            raise Fault("missing-file", f"{name} is missing")
        return FILES[path]


def judged(flipped):
    try:
        if flipped.path in KEYS:
            bundle.check(flipped, KEYS[flipped.path], None, TRUSTED)
        else:
            pair = pathlib.Path(flipped.path).parts[0]
            log.Log._read = lambda held, name: flipped.of_log(held.folder, name)
            log.Log(pathlib.Path(pair, NEWEST), KEYS[pair]).check(None, None)
    except Fault as fault:
        return fault.kind
    return "holds"


for line in sys.stdin:
    file, at = line.split()
    print(judged(Flipped(file, int(at))))
