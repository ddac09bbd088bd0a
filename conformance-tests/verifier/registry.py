"""Who may do what at a place of the log: the fold over the entries before it (wire-contract.md, "Registry entries",
"Joining")."""
import re

import notes
from faults import Fault, require
from jws import b64url, key_of, sha256

FALSE = "false-registry-change"


def member(system):
    return system.partition("/")[0]


def valid(terms, ts):
    """Whether not_before and not_after, in seconds, allow this time, in milliseconds."""
    return terms.get("not_before", 0) * 1000 <= ts and ("not_after" not in terms or ts < terms["not_after"] * 1000)


def beside(origin, other):
    """Whether two logs can be of one hub, one after the other: they differ in the shard at the end of their names."""
    hub, other_hub = (re.fullmatch(r"(.*)/[a-z0-9-]{1,63}", one) for one in (origin, other))
    return origin == other or bool(hub and other_hub) and hub[1] == other_hub[1]


class SystemKey:
    def __init__(self, entry):
        self.system, self.key, self.terms, self.revoked = entry["system"], key_of(entry["jwk"]), entry, False

    def stands(self, ts):
        return not self.revoked and ("not_after" not in self.terms or ts < self.terms["not_after"] * 1000)


class HubKey:
    """A key of the hub, between the places at which it came and went."""

    def __init__(self, key, added):
        self.key, self.added, self.ended = key, added, None

    def stood(self, place):
        """For a receipt of this place, or a checkpoint of this size."""
        return self.added < place and (self.ended is None or place <= self.ended)


class Agreement:
    def __init__(self, terms, digest):
        self.terms, self.digest, self.signers = terms, digest, set()

    def members(self):
        return {member(self.terms["sender"]), member(self.terms["receiver"])}

    def allows(self, claims, ts):
        terms = self.terms
        if (terms["sender"], terms["receiver"]) != (claims["iss"], claims["aud"]):
            return False
        for one, many in (("service", "services"), ("purpose", "purposes")):
            allowed = terms.get(many, [])
            if (claims[one] not in allowed) if one in claims else allowed:
                return False
        return (self.members() <= self.signers and valid(terms, ts) and claims["type"] in terms["types"]
                and claims.get("legal_basis", terms["legal_basis"]) == terms["legal_basis"]
                and ("consent" in claims or not terms.get("consent")))


class Registry:
    def __init__(self, opened):
        self.hub, self.origin = opened["hub"], opened["origin"]
        self.members, self.systems, self.keys, self.schemas = {}, {}, {}, {}
        self.agreements, self.invitations = {}, {}
        self.tables = {"member": self.members, "system": self.systems, "key": self.keys, "service": {},
                       "schema": self.schemas, "agreement": self.agreements, "invitation": self.invitations}
        self.texts, self.ids = {}, {}  # the hashes of the texts that a schema had; where the entry with an id is
        self.hub_keys = {("log", opened["log"]): HubKey(notes.VerifierKey(opened["log"].encode(), notes.LOG), 0)}
        for use in ("operator", "receipts"):
            self.hub_keys[use, key_of(opened[use]).kid] = HubKey(key_of(opened[use]), 0)

    def signer(self, statement, ts):
        """The key that a statement names: of its issuer, and usable: registered before, not revoked, valid now."""
        issuer, found = statement.claims["iss"], self.keys.get(statement.kid)
        require(found and found.system == issuer, "unknown-key", f"no entry before it registered {statement.kid} for {issuer}")
        require(not found.revoked, "invalid-key", f"the key {statement.kid} of {issuer} was revoked before")
        require(valid(found.terms, ts), "invalid-key", f"the key {statement.kid} of {issuer} is not valid at this time")
        return found.key

    def roles(self, system):
        return self.systems.get(system, {"roles": []}).get("roles", ["system"])

    def allows(self, claims, ts):
        return "system" in self.roles(claims["iss"]) and any(one.allows(claims, ts) for one in self.agreements.values())

    def take(self, statement, text, place, ts):
        """One entry: it must be new, signed, made by who may make it, and follow the rules of its kind."""
        claims, issuer = statement.claims, statement.claims["iss"]
        action, entry = claims["change"]["action"], claims["change"]["entry"]
        require(claims["aud"] == self.hub, FALSE, f"the entry is meant for the hub {claims['aud']}")
        before = self.ids.setdefault(claims["jti"], place)
        require(before == place, "duplicated-entries", f"entry {before} has the same id")
        if "invitation" in claims:
            self._check_joining(statement, action, entry, ts)
        elif issuer == self.hub:
            signer = self.hub_keys.get(("operator", statement.kid))
            require(signer and signer.ended is None, FALSE, f"the operator has no key {statement.kid}")
            require(signer.key.signed(statement), FALSE, "the operator's signature does not hold")
            require(action != "signed", FALSE, "the operator may not sign an agreement")
        else:
            try:
                signer = self.signer(statement, ts)
            except Fault as fault:
                raise Fault(FALSE, fault.what) from None
            require(signer.signed(statement), FALSE, f"the signature of {issuer} does not hold")
            require(self._may(issuer, action, entry, ts), FALSE, f"{issuer} may not make this change")
        if action == "signed":
            self._sign(member(issuer), entry)
        elif action == "revoked":
            self._end(entry["kind"], entry["id"], place)
        elif entry["kind"] == "hub-key":
            self._add_hub_key(action, entry, place)
        else:
            self._put(action, entry, sha256(text.encode()), ts)

    def _may(self, system, action, entry, ts):
        if "operator" in self.roles(system):
            return action != "signed"
        if action == "signed":
            agreed = self.agreements.get(entry["agreement"])
            return agreed is None or system in (agreed.terms["sender"], agreed.terms["receiver"])
        if action == "revoked":
            return entry["kind"] == "key" and entry["id"] in self.keys and self.keys[entry["id"]].system == system
        standing = [key for key in self.keys.values() if key.system == system and key.stands(ts)]
        return entry["kind"] == "key" and entry["system"] == system and (action != "added" or len(standing) < 16)

    def _check_joining(self, statement, action, entry, ts):
        """The new key signs its own entry; the invitation's key signs that it may, for this hub and system only."""
        system = statement.claims["iss"]
        require((action, entry.get("kind"), entry.get("system")) == ("added", "key", system), FALSE,
                "an invitation is for a key of the system that is invited")
        key = key_of(entry["jwk"])
        require(key.kid == statement.kid and key.signed(statement), FALSE, "the key that it adds did not sign it")
        said = f"saphan-join-v1\n{self.hub}\n{system}\n{key.kid}\n".encode()
        signature = b64url(statement.claims["invitation"])
        for ident, invitation in self.invitations.items():
            if invitation["system"] == system and notes.ed25519(b64url(ident), said, signature):
                require(ts < invitation["not_after"] * 1000, FALSE, "the invitation had expired")
                del self.invitations[ident]  # it is good for one key
                return
        raise Fault(FALSE, f"no open invitation of {system} signed the key")

    def _sign(self, signer, entry):
        agreed = self.agreements.get(entry["agreement"])
        require(agreed, FALSE, f"there is no agreement {entry['agreement']}")
        require(agreed.digest == entry["terms"], FALSE, f"these are not the terms of {entry['agreement']}")
        require(signer not in agreed.signers, FALSE, f"{signer} has signed {entry['agreement']} before")
        agreed.signers.add(signer)

    def _put(self, action, entry, digest, ts):
        """Adds or changes what is not a key of the hub. What something needs to exist must exist."""
        kind = entry["kind"]
        if kind == "invitation":  # those that have expired are forgotten when another comes
            for ident in [ident for ident, one in self.invitations.items() if ts >= one["not_after"] * 1000]:
                del self.invitations[ident]
        ident = key_of(entry["jwk"]).kid if kind == "key" else entry["id"]
        there = ident in self.tables[kind]
        require(action == "added" or kind not in ("key", "invitation"), FALSE, f"a {kind} is never changed")
        require(there == (action == "changed"), FALSE, f"{kind} {ident} {'is there' if there else 'does not exist'}")
        needed = [(self.systems, entry[name]) for name in ("system", "sender", "receiver") if name in entry]
        if kind in ("system", "service"):
            needed.append((self.members, member(ident) if kind == "system" else entry["authority"]))
        for table, parent in needed:
            require(parent in table, FALSE, f"{parent} does not exist")
        if kind in ("agreement", "key") and "not_before" in entry and "not_after" in entry:
            require(entry["not_before"] < entry["not_after"], FALSE, f"the {kind} would never be valid")
        if kind == "schema":
            texts = self.texts.setdefault(ident, [])
            if texts[-1:] != [entry["sha256"]]:  # the text that stood last may come again, and is still the same
                texts.append(entry["sha256"])
            minor = len(texts) - 1
            require(entry["version"] == f"{ident.partition('@')[2]}.{minor}", FALSE, f"it is text {minor} of {ident}")
        if kind == "agreement":
            require(entry["types"] and entry["sender"] != entry["receiver"], FALSE, "it could allow no message")
            entry = Agreement(entry, digest)  # without a signature: changed terms need both again
        self.tables[kind][ident] = SystemKey(entry) if kind == "key" else entry

    def _add_hub_key(self, action, entry, place):
        require(action == "added", FALSE, "a key of the hub is never changed")
        if entry["use"] == "log":
            key, ident = notes.VerifierKey(entry["vkey"].encode(), notes.LOG), entry["vkey"]
            require(beside(self.origin, key.name.decode()), FALSE, "the key is that of another hub's log")
        else:
            key, ident = key_of(entry["jwk"]), key_of(entry["jwk"]).kid
        require((entry["use"], ident) not in self.hub_keys, FALSE, f"the key {ident} was registered before")
        self.hub_keys[entry["use"], ident] = HubKey(key, place)

    def _end(self, kind, ident, place):
        if kind == "hub-key":
            self._end_hub_key(ident["use"], ident["id"], place)
            return
        there = ident in self.tables[kind] and not (kind == "key" and self.keys[ident].revoked)
        require(there, FALSE, f"there is no {kind} {ident} to be revoked")
        if kind == "key":
            self.keys[ident].revoked = True  # it stays, for a key is registered once, for ever
            return
        del self.tables[kind][ident]
        if kind == "system":
            self._end_all_of(ident)
        elif kind == "member":
            for system in [one for one in self.systems if member(one) == ident]:
                del self.systems[system]
                self._end_all_of(system)

    def _end_all_of(self, system):
        """A revoked system takes its keys, its invitations and the agreements that name it with it."""
        for key in self.keys.values():
            key.revoked = key.revoked or key.system == system
        for ident in [ident for ident, one in self.invitations.items() if one["system"] == system]:
            del self.invitations[ident]
        for ident, one in list(self.agreements.items()):
            if system in (one.terms["sender"], one.terms["receiver"]):
                del self.agreements[ident]

    def _end_hub_key(self, use, ident, place):
        standing = [name for name, key in self.hub_keys.items() if name[0] == use and key.ended is None]
        require((use, ident) in standing, FALSE, f"the hub has no key {ident} for {use}")
        if use == "log":
            standing = [name for name in standing if self.hub_keys[name].key.name == self.hub_keys[use, ident].key.name]
        require(len(standing) > 1, FALSE, f"the last key for {use} stays")
        self.hub_keys[use, ident].ended = place
