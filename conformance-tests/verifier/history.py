"""What each entry must be by those before it (wire-contract.md, "Leaves", "Acknowledgement"; auditor-guide.md, "The
whole log"). The entries of a whole log and those of an evidence bundle are judged by the same rules."""
import forms
from faults import Fault, Unreadable, require
from jws import key_of
from notes import Checkpoint
from registry import Registry


# The member of a leaf that is a statement, and its type.
STATEMENTS = {"message": ("envelope", "saphan-envelope+jws"), "registry": ("entry", "saphan-registry+jws"),
              "acknowledgement": ("acknowledgement", "saphan-ack+jws")}


def check_names(opened):
    hub, slash, shard = opened["origin"].partition("/log/")
    fit = hub == opened["hub"] and slash and forms.SHARD.fullmatch(shard) and opened["log"].startswith(opened["origin"] + "+")
    require(fit, "malformed-entry", "the names of hub, log and key do not fit together")


class History:
    def __init__(self, origin, whole):
        self.origin, self.whole = origin, whole
        self.registry, self.closed, self.ts = None, None, 0  # closed: for which log
        # A hub has one log after the other. Entries are known by their places, which go on over all of them.
        self.first, self.logs, self.last = 0, [], None  # last: the last checkpoint of the log before
        self.abandoned = []  # of each abandoned log how many entries are left, and were signed
        self.receivers, self.outcomes = {}, {}  # of each message, by its place
        self.places, self.ids = set(), set()
        self.counts = dict.fromkeys(("messages", "acknowledgements", "refusals", "registry", "erasures", "queries"), 0)
        # In a bundle, whatever is wrong with a statement by itself is one class.
        self.unreadable, self.elsewhere, self.unsigned = (
            ("malformed-entry", "wrong-hub", "false-acknowledgement") if whole else ("changed-envelope",) * 3)
        self.misplaced = "misplaced-entry" if whole else "malformed-entry"

    def begin(self, origin, last):
        """The next log, after the one whose last checkpoint this is."""
        self.origin, self.last, self.first = origin, last, self.first + last.size

    def place_of(self, log, index):
        """The place of an entry of one of the hub's logs; None in one that is not, or behind the end of one."""
        at = next((at for at, (origin, _) in enumerate(self.logs) if origin == log), None)
        if at is None or at + 1 < len(self.logs) and self.logs[at][1] + index >= self.logs[at + 1][1]:
            return None
        return self.logs[at][1] + index

    def take(self, index, leaf):
        """Judges the entry at an index of the log, and gives the claims of its statement, if it has one."""
        kind, place = leaf["t"], self.first + index
        # Of a whole log it is told first that it cannot be read, of a bundle that it is earlier than the entry before it.
        statement = self._statement(leaf) if self.whole else None
        opening = kind == "shard" and "opened" in leaf["event"]
        require(opening == (index == 0), "misplaced-entry", "a shard is opened once, by its first entry")
        require(opening or not self.closed, "misplaced-entry", "the shard was closed before this entry")
        require(leaf["ts"] >= self.ts, self.misplaced, "its time is before that of the entry before it")
        self.ts = leaf["ts"]
        statement = statement or self._statement(leaf)
        self.places.add(place)
        if kind == "shard":
            self._shard(place, leaf["event"])
        elif kind == "refusal":
            self.counts["refusals"] += 1
        elif kind == "erasure":
            erased = self.place_of(leaf.get("log", self.origin), leaf["index"])
            require(erased in self.receivers, "false-erasure", f"{leaf['index']} is no message before it")
            self.counts["erasures"] += 1
        elif kind == "query":
            require("auditor" in self.registry.roles(leaf["auditor"]), "false-query",
                    f"{leaf['auditor']} has not the role of an auditor here")
            self.counts["queries"] += 1
        elif kind == "registry":
            self.registry.take(statement, leaf["entry"], place, leaf["ts"])
            self.counts["registry"] += 1
            return statement.claims
        elif kind == "message":
            return self._message(place, leaf, statement)
        else:
            return self._acknowledgement(place, leaf, statement)

    def log_keys(self):
        """The keys of this log there ever were, each with the places at which it came and went."""
        hub_keys = self.registry.hub_keys if self.registry else {}
        return [key for (use, _), key in hub_keys.items() if use == "log" and key.key.name.decode() == self.origin]

    def check_log_key(self, key, size):
        """What was signed before a key was revoked stays valid: checkpoints of sizes up to that place."""
        for known in self.log_keys():
            if known.key.text == key.text and known.ended is not None and self.first + size > known.ended:
                index = known.ended - self.first
                raise Fault("invalid-key", f"entry {index} revoked the key of the checkpoint", index)

    def _shard(self, place, event):
        if "closed" in event:
            self.closed = event["closed"]["next"]
            return
        opened = event["opened"]
        require(opened["origin"] == self.origin, "misplaced-entry", f"it opens the log {opened['origin']}")
        check_names(opened)
        self.logs.append((self.origin, self.first))
        abandoned = opened.get("abandoned")
        if self.registry is None:
            require("previous" not in opened and not abandoned, "misplaced-entry", "the log before it is not there")
            self.registry = Registry(opened)
            return
        require(self.closed == (None if abandoned else self.origin), "misplaced-entry",
                "the log before it is not closed for this one, or is said to be abandoned and is closed")
        if abandoned and "key" in abandoned:
            self._vouch(place, abandoned["key"])
        keys = [("log", opened["log"]), *((use, key_of(opened[use]).kid) for use in ("operator", "receipts"))]
        stand = all(key in self.registry.hub_keys and self.registry.hub_keys[key].ended is None for key in keys)
        require(stand and opened["hub"] == self.registry.hub, "unknown-key", "it names keys that the hub does not have")
        previous = opened.get("previous", "")
        said = self._signed_before(abandoned["kept"] if abandoned else previous)
        same = (said.origin, said.size, said.root) == (self.last.origin, self.last.size, self.last.root)
        require(same, "fork", "the log before it has another last checkpoint than the one that it begins with")
        if abandoned:
            lost = self._signed_before(previous)
            require(lost.size > said.size, "fork", "the log before it is said to be abandoned, and nothing of it is lost")
            self.abandoned.append({"log": said.origin, "kept": said.size, "last": lost.size})
        self.closed = None

    def _vouch(self, place, text):
        """The operator's entry for the key of a log that follows an abandoned one, where nobody could write it any more."""
        statement = self._read(text, "saphan-registry+jws")
        change = statement.claims["change"]
        of_this = change["action"] == "added" and change["entry"].get("vkey", "").startswith(self.origin + "+")
        require(of_this, "unknown-key", "the entry that it brings adds no key of this log")
        self.registry.take(statement, text, place, self.ts)

    def _signed_before(self, text):
        said = Checkpoint(text.encode(), "the checkpoint of the log before")
        signers = [key.key for (use, _), key in self.registry.hub_keys.items()
                   if use == "log" and key.ended is None and key.key.name.decode() == said.origin]
        require(said.origin == self.last.origin and any(said.is_signed_by(key) for key in signers), "changed-checkpoint",
                "the checkpoint of the log before is not signed by a key of it")
        return said

    def _statement(self, leaf):
        if leaf["t"] in STATEMENTS:
            member, typ = STATEMENTS[leaf["t"]]
            return self._read(leaf[member], typ)
        return None

    def _read(self, text, typ):
        try:
            return forms.statement(text, typ)
        except Unreadable as error:
            raise Fault(self.unreadable, f"its statement cannot be read: {error}") from None

    def _once(self, kind, claims):
        """Ids tell duplicates. Signatures do not, for anybody can change one into another that holds."""
        ident = (kind, claims["iss"], claims["jti"])
        require(ident not in self.ids, "duplicated-entries", f"{claims['iss']} made the {kind} {claims['jti']} before")
        self.ids.add(ident)

    def _message(self, place, leaf, statement):
        claims, schema = statement.claims, leaf["schema"]
        require(claims["hub"] == self.registry.hub, self.elsewhere, f"it is meant for the hub {claims['hub']}")
        signer = self.registry.signer(statement, leaf["ts"])
        stands = self.registry.schemas.get(claims["schema"])
        require(stands and schema == {"id": stands["id"], "sha256": stands["sha256"]}, "wrong-schema",
                f"it was judged by another text than the one that stands for {claims['schema']}")
        require(self.registry.allows(claims, leaf["ts"]), "not-allowed",
                f"no agreement in force allows this {claims['type']} from {claims['iss']} to {claims['aud']}")
        require(signer.signed(statement), "changed-envelope", "the sender's signature does not hold")
        self._once("message", claims)
        self.receivers[place] = claims["aud"]
        self.counts["messages"] += 1
        return claims

    def _acknowledgement(self, place, leaf, statement):
        claims = statement.claims
        require(claims["aud"] == self.registry.hub, self.elsewhere, f"it is meant for the hub {claims['aud']}")
        signer = self.registry.signer(statement, leaf["ts"])
        require(signer.signed(statement), self.unsigned, "the receiver's signature does not hold")
        self._once("acknowledgement", claims)
        log = claims.get("log", self.origin if self.first == 0 else None)
        for said in claims["messages"]:
            index, outcome = self.place_of(log, said["index"]), (said["outcome"], said.get("code"))
            require(index is not None, "false-acknowledgement", f"{said['index']} is in no log of this hub so far")
            if not self.whole and index < place and index not in self.places:
                continue  # it is about more messages than the bundle shows
            require(self.receivers.get(index) == claims["iss"], "false-acknowledgement",
                    f"{said['index']} is no message before it to {claims['iss']}")
            require(self.outcomes.setdefault(index, outcome) == outcome, "false-acknowledgement",
                    f"an acknowledgement before it says otherwise of message {said['index']}")
        self.counts["acknowledgements"] += 1
        return claims
