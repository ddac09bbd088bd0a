"""Checkpoints, cosignatures and policies (C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy;
wire-contract.md, "The log", "Cosignatures"). Names and texts are bytes here, as they are in a policy."""
import hashlib
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from faults import Fault, Unreadable, require
from jws import b64

LOG, WITNESS = 1, 4  # types of keys
DECIMAL = re.compile("0|[1-9][0-9]{0,18}")
LONGEST, MOST_SIGNATURES = 256 << 10, 16
SIGNATURE_LINE = re.compile(r"— ([^\s+]+) (\S+)")


def decimal(text):
    """A number below 2^63, which is written in one way."""
    if not DECIMAL.fullmatch(text) or int(text) >> 63:
        raise Unreadable(f"{text!a:.30} is no number")
    return int(text)


def ed25519(key, data, signature):
    """RFC 8032."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
    except InvalidSignature:
        return False
    return True


class VerifierKey:
    """<name>+<8 hex digits>+<base64 of type and key>; the digits begin the SHA-256 of name, newline, type and key."""

    def __init__(self, text, kind):
        self.text, parts = text, text.split(b"+", 2)
        if len(parts) != 3:
            raise Unreadable("a verifier key has three parts with + between them")
        try:
            name, digits, key = parts[0].decode(), parts[1], b64(parts[2].decode())
        except UnicodeDecodeError:
            raise Unreadable("a verifier key is not UTF-8") from None
        self.name, self.id = parts[0], hashlib.sha256(parts[0] + b"\n" + key).digest()[:4]
        if not name or any(one.isspace() or one < " " for one in name) or digits != self.id.hex().encode():
            raise Unreadable("a verifier key was damaged")
        if len(key) != 33 or key[0] != kind:
            raise Unreadable(f"a verifier key is not an Ed25519 key of the type {kind}")
        self.key = key[1:]


class Checkpoint:
    """A checkpoint, read but not trusted: origin, size and root of a tree, and the signatures of its note."""

    def __init__(self, data, name="the checkpoint"):
        try:
            self._read(data.decode())
        except (Unreadable, UnicodeDecodeError) as error:
            raise Fault("changed-checkpoint", f"{name} cannot be read: {error}") from None

    def _read(self, note):
        if any(one < " " and one != "\n" for one in note) or not note.endswith("\n") or len(note.encode()) > LONGEST:
            raise Unreadable("a note is lines of text, 256 KiB at most")
        text, _, signatures = note[:-1].rpartition("\n\n")
        lines = text.split("\n")
        if len(lines) < 3 or not all(lines) or signatures.count("\n") >= MOST_SIGNATURES:
            raise Unreadable("a checkpoint has an origin, a size and a root, and 16 signatures at most")
        self.text, self.origin = f"{text}\n".encode(), lines[0]
        self.size, self.root = decimal(lines[1]), b64(lines[2])
        if len(self.root) != 32:
            raise Unreadable("the root is not a hash")
        self.signatures = []
        for line in signatures.split("\n"):
            found = SIGNATURE_LINE.fullmatch(line)
            signature = b64(found[2]) if found else b""
            if len(signature) < 5:
                raise Unreadable("a line is not that of a signature")
            self.signatures.append((found[1].encode(), signature[:4], signature[4:]))

    def _signatures_of(self, key):
        return [signature for name, key_id, signature in self.signatures if (name, key_id) == (key.name, key.id)]

    def is_signed_by(self, key):
        """By a log's key, whose name is the origin. A note with a line of a known key that it did not sign is void."""
        found = self._signatures_of(key)
        return (self.origin.encode() == key.name and bool(found)
                and all(ed25519(key.key, self.text, signature) for signature in found))

    def is_cosigned_by(self, witness):
        """C2SP tlog-cosignature: 8 bytes of time, and a signature of that time and the checkpoint's text. None may be false."""
        found = self._signatures_of(witness)
        for line in found:
            time = int.from_bytes(line[:8], "big")
            good = time < 1 << 63 and ed25519(witness.key, b"cosignature/v1\ntime %d\n" % time + self.text, line[8:])
            require(good, "too-few-witnesses", f"a cosignature of {witness.name.decode()} is false, so that none counts")
        return bool(found)


def signed_checkpoint(data, key):
    checkpoint = Checkpoint(data)
    require(checkpoint.is_signed_by(key), "changed-checkpoint",
            f"the checkpoint is not signed by the key of {key.name.decode()}")
    return checkpoint


class Policy:
    """C2SP tlog-policy: the logs, the witnesses, and which of them suffice."""

    def __init__(self, data):
        self.logs, self.witnesses, self.groups, self.quorum = [], {}, {}, None
        if not data.endswith(b"\n") or any(byte < 32 and byte not in b"\t\n" or byte == 127 for byte in data):
            raise Unreadable("a policy is lines of text, and each ends in a newline")
        for number, line in enumerate(data[:-1].split(b"\n"), 1):
            words = re.split(rb"[ \t]+", line.strip(b" \t"))
            if words[0] and not words[0].startswith(b"#"):
                try:
                    self._line(words[0], words[1:])
                except Unreadable as error:
                    raise Unreadable(f"line {number} of the policy: {error}") from None
        for keys in (self.logs, self.witnesses.values()):
            if len({key.key for key in keys}) != len(keys):
                raise Unreadable("a key is in the policy twice")
        if self.quorum is None:
            raise Unreadable("the policy has no quorum")

    def _line(self, what, words):
        if what == b"log" and len(words) in (1, 2):
            self.logs.append(VerifierKey(words[0], LOG))
        elif what == b"witness" and len(words) in (2, 3):
            self.witnesses[self._new(words[0])] = VerifierKey(words[1], WITNESS)
        elif what == b"group" and len(words) > 2:
            self._group(self._new(words[0]), words[1], words[2:])
        elif what == b"quorum" and len(words) == 1 and self.quorum is None:
            if words[0] != b"none" and not self._defined(words[0]):
                raise Unreadable("the quorum is not defined before it")
            self.quorum = words[0]
        else:
            raise Unreadable("neither a log, a witness, a group nor the one quorum")

    def _defined(self, name):
        return name in self.witnesses or name in self.groups

    def _new(self, name):
        if name == b"none" or self._defined(name):
            raise Unreadable("the name is taken")
        return name

    def _group(self, name, least, members):
        grouped = [member for _, others in self.groups.values() for member in others] + members
        if not all(self._defined(member) for member in members) or len(set(grouped)) != len(grouped):
            raise Unreadable("the members of a group are defined before it, and are in no other group")
        least = {"any": "1", "all": str(len(members))}.get(least.decode("latin-1"), least.decode("latin-1"))
        if not DECIMAL.fullmatch(least) or not 1 <= int(least) <= len(members):
            raise Unreadable("a group needs from one to all of its members")
        self.groups[name] = int(least), members

    def verify(self, checkpoint):
        """The names of the witnesses that cosigned a checkpoint, if they suffice. Whose log it is, is another question."""
        cosigned = [name for name, key in self.witnesses.items() if checkpoint.is_cosigned_by(key)]
        reached = {b"none", *cosigned}
        for name, (least, members) in self.groups.items():  # a group names only those before it
            if sum(member in reached for member in members) >= least:
                reached.add(name)
        require(self.quorum in reached, "too-few-witnesses",
                f"{len(cosigned)} of {len(self.witnesses)} witnesses cosigned the checkpoint, which is not the quorum")
        return [name.decode(errors="backslashreplace") for name in cosigned]
