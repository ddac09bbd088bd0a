"""Judges logs, evidence bundles and message files with something odd in them, again and again, in one process.

  odd.py VERIFIER EXPORT PEM

reads lines of JSON from the standard input. The first has the leaves of a good log; each other one a leaf that stands in
the place of another, with the checkpoint then; a checkpoint alone; the only leaf of the next log, with its checkpoint and
key, and the checkpoint of the good log without its end; a bundle; or a message file. Prints what the verifier says of
each: `holds`, or a class. EXPORT has the keys.
"""
import functools
import json
import pathlib
import sys

sys.path.insert(0, sys.argv[1])
import bundle  # noqa: E402
import log  # noqa: E402
import message  # noqa: E402
import timestamps  # noqa: E402
import tree  # noqa: E402
from faults import Fault  # noqa: E402
from notes import LOG, VerifierKey  # noqa: E402

EXPORT = pathlib.Path(sys.argv[2])
KEY = VerifierKey((EXPORT / "log" / "vkey").read_bytes().removesuffix(b"\n"), LOG)
TRUSTED = timestamps.authorities(pathlib.Path(sys.argv[3]).read_bytes())
message.key_set = functools.cache(message.key_set)


class Held:
    """A file in memory."""

    def __init__(self, text):
        self.text = text

    def read_bytes(self):
        return self.text.encode()


def files_of(leaves, checkpoint):
    bundled = b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)
    hashes = b"".join(map(tree.leaf_hash, leaves))
    return {tree.tile_name("entries", 0, len(leaves)): bundled, tree.tile_name(0, 0, len(leaves)): hashes,
            "checkpoint": checkpoint.encode()}


def check_log(files, key, before):
    def read(self, name):
        of_this = before if self.folder.name == "main" else files
        if name not in of_this:
            raise Fault("missing-file", f"{name} is missing")
        return of_this[name]
    log.Log._read = read
    log.Log(EXPORT, key).check(None, None)


def judged(leaves, asked):
    try:
        if "bundle" in asked:
            bundle.check(Held(asked["bundle"]), KEY, None, TRUSTED)
        elif "message" in asked:
            message.check(Held(asked["message"]), EXPORT, KEY, None)
        elif "opened" in asked:
            files, key = files_of([asked["opened"].encode()], asked["checkpoint"]), asked["key"].encode()
            check_log(files, VerifierKey(key, LOG), files_of(leaves[:-1], asked["before"]))
        else:
            if "leaf" in asked:
                leaves = [*leaves[:asked["at"]], asked["leaf"].encode(), *leaves[asked["at"] + 1:]]
            check_log(files_of(leaves, asked["checkpoint"]), KEY, {})
    except Fault as fault:
        return fault.kind
    return "holds"


good = [leaf.encode() for leaf in json.loads(sys.stdin.readline())]
for line in sys.stdin:
    print(judged(good, json.loads(line)))
