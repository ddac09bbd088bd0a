"""What each entry must be by those before it (wire-contract.md, "Leaves", "Acknowledgement"; auditor-guide.md, "The
whole log"). The entries of a whole log and those of an evidence bundle are judged by the same rules."""
import forms
from faults import Fault, Unreadable, require
from registry import Registry


class History:
    def __init__(self, origin, whole):
        self.origin, self.whole = origin, whole
        self.registry, self.closed, self.ts = None, False, 0
        self.receivers, self.outcomes = {}, {}  # of each message, by its place
        self.places, self.ids = set(), set()
        self.counts = dict.fromkeys(("messages", "acknowledgements", "refusals", "registry", "erasures", "queries"), 0)
        # In a bundle, whatever is wrong with a statement by itself is one class.
        self.unreadable, self.elsewhere, self.unsigned = (
            ("malformed-entry", "wrong-hub", "false-acknowledgement") if whole else ("changed-envelope",) * 3)
        self.misplaced = "misplaced-entry" if whole else "malformed-entry"

    def take(self, place, leaf):
        """Judges the entry at a place, and gives the claims of its statement, if it has one."""
        kind = leaf["t"]
        opening = kind == "shard" and "opened" in leaf["event"]
        require(opening == (self.registry is None), "misplaced-entry", "a shard is opened once, by its first entry")
        require(not self.closed, "misplaced-entry", "the shard was closed before this entry")
        require(leaf["ts"] >= self.ts, self.misplaced, "its time is before that of the entry before it")
        self.ts = leaf["ts"]
        self.places.add(place)
        if kind == "shard":
            self._shard(leaf["event"])
        elif kind == "refusal":
            self.counts["refusals"] += 1
        elif kind == "erasure":
            require(leaf["index"] in self.receivers, "false-erasure", f"{leaf['index']} is no message before it")
            self.counts["erasures"] += 1
        elif kind == "query":
            require("auditor" in self.registry.roles(leaf["auditor"]), "false-query",
                    f"{leaf['auditor']} has not the role of an auditor here")
            self.counts["queries"] += 1
        elif kind == "registry":
            statement = self._read(leaf["entry"], "saphan-registry+jws")
            self.registry.take(statement, leaf["entry"], place, leaf["ts"])
            self.counts["registry"] += 1
            return statement.claims
        elif kind == "message":
            return self._message(place, leaf)
        else:
            return self._acknowledgement(place, leaf)

    def log_keys(self):
        """The keys of the log there ever were, each with the places at which it came and went."""
        hub_keys = self.registry.hub_keys if self.registry else {}
        return [key for (use, _), key in hub_keys.items() if use == "log"]

    def check_log_key(self, key, size):
        """What was signed before a key was revoked stays valid: checkpoints of sizes up to that place."""
        for known in self.log_keys():
            if known.key.text == key.text and known.ended is not None and size > known.ended:
                raise Fault("invalid-key", f"entry {known.ended} revoked the key of the checkpoint", known.ended)

    def _shard(self, event):
        if "closed" in event:
            self.closed = True
            return
        opened = event["opened"]
        require(opened["origin"] == self.origin, "misplaced-entry", f"it opens the log {opened['origin']}")
        fit = opened["origin"].startswith(opened["hub"] + "/log/") and opened["log"].startswith(opened["origin"] + "+")
        require(fit, "malformed-entry", "the names of hub, log and key do not fit together")
        self.registry = Registry(opened)

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

    def _message(self, place, leaf):
        statement = self._read(leaf["envelope"], "saphan-envelope+jws")
        claims, schema = statement.claims, leaf["schema"]
        self.registry.check_signer(statement, leaf["ts"], "changed-envelope")
        require(claims["hub"] == self.registry.hub, self.elsewhere, f"it is meant for the hub {claims['hub']}")
        stands = self.registry.schemas.get(claims["schema"])
        require(stands and schema == {"id": stands["id"], "sha256": stands["sha256"]}, "wrong-schema",
                f"it was judged by another text than the one that stands for {claims['schema']}")
        require(self.registry.allows(claims, leaf["ts"]), "not-allowed",
                f"no agreement in force allows this {claims['type']} from {claims['iss']} to {claims['aud']}")
        self._once("message", claims)
        self.receivers[place] = claims["aud"]
        self.counts["messages"] += 1
        return claims

    def _acknowledgement(self, place, leaf):
        statement = self._read(leaf["acknowledgement"], "saphan-ack+jws")
        claims = statement.claims
        self.registry.check_signer(statement, leaf["ts"], self.unsigned)
        require(claims["aud"] == self.registry.hub, self.elsewhere, f"it is meant for the hub {claims['aud']}")
        self._once("acknowledgement", claims)
        for said in claims["messages"]:
            index, outcome = said["index"], (said["outcome"], said.get("code"))
            if not self.whole and index < place and index not in self.places:
                continue  # it is about more messages than the bundle shows
            require(self.receivers.get(index) == claims["iss"], "false-acknowledgement",
                    f"{index} is no message before it to {claims['iss']}")
            require(self.outcomes.setdefault(index, outcome) == outcome, "false-acknowledgement",
                    f"an acknowledgement before it says otherwise of message {index}")
        self.counts["acknowledgements"] += 1
        return claims
