"""A message in one file, `*.saphan.json` (wire-contract.md, "How a message is verified", "A message in one file")."""
import hashlib
import hmac

import forms
import jws
import tree
from faults import Fault, Unreadable, Unusable, require
from notes import decimal, signed_checkpoint

FILE = forms.record({"envelope": forms.string, "receipt": forms.string, "proof": forms.string},
                    {"salt": forms.string, "body": forms.string, "cosigned_proof": forms.string})
# What is not known in a key set is ignored (RFC 7517 sections 4 and 5).
KEY_SET = forms.record({"issuer": forms.ISSUER, "keys": forms.listed(forms.record(
    {"kid": forms.HASH, "alg": forms.one_of("ES256"), "use": forms.one_of("sig"), **forms.JWK},
    {"nbf": forms.SECONDS, "exp": forms.SECONDS, "revoked": forms.SECONDS}, closed=False))}, closed=False)


def read_json(path, form, what):
    try:
        value = jws.strict_json(path.read_bytes())
        form(value)
    except Unreadable as error:
        raise Fault("malformed-file", f"not {what}: {error}") from None
    return value


def read_statement(text, typ, kind):
    try:
        return forms.statement(text, typ)
    except Unreadable as error:
        raise Fault(kind, f"the {typ} cannot be read: {error}") from None


def key_set(path):
    """A JWK Set: its issuer, and its JWKs with what they say of their validity (wire-contract.md, "Keys")."""
    try:
        held = jws.strict_json(path.read_bytes())
        KEY_SET(held)
        if any(jws.key_of(jwk).kid != jwk["kid"] for jwk in held["keys"]):
            raise Unreadable("a kid is not the thumbprint of its key")
    except (OSError, Unreadable) as error:
        raise Unusable(f"{path}: {error}") from None
    return held["issuer"], {jwk["kid"]: jwk for jwk in held["keys"]}


def check_signature(statement, keys, kind):
    jwk = keys.get(statement.kid)
    require(jwk, kind, f"the key set has no key {statement.kid}")
    require(jws.key_of(jwk).signed(statement), kind, "the signature does not hold")


def check_validity(jwk, iat, kind):
    """In the second of a revocation something may still have been accepted before it."""
    good = jwk.get("nbf", 0) <= iat <= jwk.get("revoked", iat) and ("exp" not in jwk or iat < jwk["exp"])
    require(good, kind, f"the key {jwk['kid']} was not valid, or was revoked, when the hub accepted the message")


def check_body(claims, holder):
    """Salt and body, both or none, open the envelope's commitment (wire-contract.md, "Commitment")."""
    require(("salt" in holder) == ("body" in holder), "changed-body", "salt and body stand together, or not at all")
    if "body" not in holder:
        return
    try:
        salt, body = jws.b64url(holder["salt"]), jws.b64(holder["body"])
    except Unreadable as error:
        raise Fault("changed-body", f"salt or body: {error}") from None
    commit = jws.to_b64url(hmac.new(salt, body, hashlib.sha256).digest())
    opened = len(salt) == 32 and {"alg": "HMAC-SHA-256", "commit": commit, "len": len(body)} == claims["body"]
    require(opened, "changed-body", "body and salt do not open the commitment in the envelope")


def check_inclusion(leaf_hash, index, path, checkpoint):
    try:
        root = tree.root_from_proof(leaf_hash, index, checkpoint.size, path)
    except Unreadable as error:
        raise Fault("changed-leaf", str(error)) from None
    require(root == checkpoint.root, "changed-leaf", "leaf and proof do not lead to the root of the checkpoint")


def compare_receipt(receipt, leaf, claims, leaf_hash, index, origin):
    """What a receipt says of the entry, whatever tree it names (wire-contract.md, "Receipt")."""
    said = {"iss": claims["hub"], "iat": leaf["ts"] // 1000, "jti": claims["jti"], "log": origin, "index": index,
            "leaf": jws.to_b64url(leaf_hash), "env": jws.sha256(leaf["envelope"].encode()),
            "schema": leaf["schema"]["id"]}
    odd = [name for name, value in said.items() if receipt.claims[name] != value]
    require(not odd, "changed-receipt", f"the receipt says other than the entry: {', '.join(odd)}")


def read_proof(text, envelope):
    """C2SP tlog-proof@v1: leaf, index, path and checkpoint. The extra line is the leaf's bytes before the envelope."""
    head, _, note = text.partition("\n\n")
    lines = head.split("\n")
    if (lines[0] != "c2sp.org/tlog-proof@v1" or len(lines) < 3 or not lines[1].startswith("extra ")
            or not lines[2].startswith("index ")):
        raise Unreadable("not a tlog-proof@v1")
    path = [jws.b64(line) for line in lines[3:]]
    if any(len(one) != 32 for one in path):
        raise Unreadable("a line of it is not a hash")
    return jws.b64(lines[1][6:]) + envelope.encode() + b'"}', decimal(lines[2][6:]), path, note.encode()


def check(path, export, key, policy):
    """All steps of "How a message is verified". Which receiver is the expected one, only who asks can know."""
    file = read_json(path, FILE, "a message file")
    envelope = read_statement(file["envelope"], "saphan-envelope+jws", "changed-envelope")
    claims, sender = envelope.claims, envelope.claims["iss"]
    hub, hub_keys = key_set(export / "keys" / "hub.jwks.json")
    sender_set = export / "keys" / f"{sender.replace('/', '__')}.jwks.json"
    require(sender_set.exists(), "changed-envelope", f"there is no key set of {sender}")
    issuer, sender_keys = key_set(sender_set)
    require(issuer == sender, "changed-envelope", f"the key set is that of {issuer}, not of {sender}")
    check_signature(envelope, sender_keys, "changed-envelope")
    require(claims["hub"] == hub, "changed-envelope", f"it is meant for the hub {claims['hub']}")
    check_body(claims, file)
    try:
        data, index, proof, note = read_proof(file["proof"], file["envelope"])
        leaf = forms.leaf(data)
    except Unreadable as error:
        raise Fault("changed-leaf", f"the proof, or the leaf that it completes, cannot be read: {error}") from None
    require(leaf["t"] == "message" and leaf["envelope"] == file["envelope"], "changed-leaf",
            "the leaf is not that of the envelope")
    require(leaf["schema"]["id"] == claims["schema"], "changed-leaf", "leaf and envelope name different schemas")
    checkpoint, leaf_hash = signed_checkpoint(note, key), tree.leaf_hash(data)
    check_inclusion(leaf_hash, index, proof, checkpoint)
    receipt = read_statement(file["receipt"], "saphan-receipt+jws", "changed-receipt")
    compare_receipt(receipt, leaf, claims, leaf_hash, index, checkpoint.origin)
    tree_named = (receipt.claims["size"], receipt.claims["root"])
    require(tree_named == (checkpoint.size, jws.to_b64url(checkpoint.root)), "changed-receipt",
            "the receipt names another tree than the proof")
    check_signature(receipt, hub_keys, "changed-receipt")
    check_validity(hub_keys[receipt.kid], receipt.claims["iat"], "changed-receipt")
    check_validity(sender_keys[envelope.kid], receipt.claims["iat"], "changed-envelope")
    answer = {"type": claims["type"], "from": sender, "to": claims["aud"], "log": checkpoint.origin, "index": index,
              "body": "body" in file}
    return {**answer, **cosigned(file, data, index, key, policy)} if policy else answer


def cosigned(file, data, index, key, policy):
    """The witnesses that cosigned a tree with the same entry: that of `cosigned_proof`, or of the proof."""
    try:
        same, place, proof, note = read_proof(file.get("cosigned_proof", file["proof"]), file["envelope"])
    except Unreadable as error:
        raise Fault("changed-leaf", f"the cosigned proof cannot be read: {error}") from None
    require((same, place) == (data, index), "changed-leaf", "the cosigned proof is that of another entry")
    checkpoint = signed_checkpoint(note, key)
    check_inclusion(tree.leaf_hash(data), index, proof, checkpoint)
    return {"cosigned_size": checkpoint.size, "cosigned_by": policy.verify(checkpoint)}
