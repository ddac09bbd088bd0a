#!/usr/bin/env python3
"""Checks Saphan messages and logs with nothing but Python's standard library and the program `openssl`.

  saphan_check.py message EXPORT FILE...       messages, with the keys in EXPORT/keys and EXPORT/log/vkey
  saphan_check.py log LOG [OLDER_CHECKPOINT]   a static copy of a log; and that it grew from an older checkpoint
  saphan_check.py bundle VKEY FILE...          evidence bundles, with the log's key in the file VKEY and nothing else

It shares no code with Saphan, so it shows that the formats of docs/wire-contract.md are what they say. It checks less than
`saphan verify`, `saphan log check` and `saphan audit bundle`: not the validity times of keys and agreements, in a log the tree, but
not each leaf's signature, and in a bundle not the proof of an invitation's code.
"""
import base64
import hashlib
import hmac
import json
import pathlib
import subprocess
import sys
import tempfile

# The fixed beginnings of a public key in DER (RFC 5480, RFC 8410).
P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
ED25519 = bytes.fromhex("302a300506032b6570032100")


def b64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def openssl(arguments, key, data, signature):
    """Whether openssl accepts a signature. Files, for openssl reads its parts from files."""
    with tempfile.TemporaryDirectory() as folder:
        names = {}
        for name, content in (("key", key), ("data", data), ("signature", signature)):
            names[name] = str(pathlib.Path(folder, name))
            pathlib.Path(names[name]).write_bytes(content)
        command = ["openssl"] + [argument.format(**names) for argument in arguments]
        return subprocess.run(command, capture_output=True).returncode == 0


def verify_es256(jwk, data, signature):
    def integer(number):  # DER: no leading zeros, and a zero before a set high bit
        number = number.lstrip(b"\0") or b"\0"
        number = b"\0" + number if number[0] & 0x80 else number
        return b"\x02" + bytes([len(number)]) + number

    assert len(signature) == 64, "an ES256 signature has 64 bytes"
    numbers = integer(signature[:32]) + integer(signature[32:])
    der = b"\x30" + bytes([len(numbers)]) + numbers
    key = P256 + b"\x04" + b64url(jwk["x"]) + b64url(jwk["y"])
    command = "dgst -sha256 -keyform DER -verify {key} -signature {signature} {data}"
    return openssl(command.split(), key, data, der)


def verify_jws(text, keys, typ):
    """The payload of a compact JWS, after its signature was checked."""
    header, payload, signature = text.split(".")
    head = json.loads(b64url(header))
    assert head["alg"] == "ES256" and head["typ"] == typ, f"the header is not that of {typ}"
    assert head["kid"] in keys, f"the key {head['kid']} was not given"
    signed = f"{header}.{payload}".encode()
    assert verify_es256(keys[head["kid"]], signed, b64url(signature)), f"the signature of {typ} does not hold"
    return json.loads(b64url(payload))


def key_set(path):
    return {key["kid"]: key for key in json.loads(path.read_text())["keys"]}


def verify_checkpoint(note, vkey):
    """Origin, size and root of a signed checkpoint."""
    name, key_id, key = vkey.strip().split("+", 2)
    key = base64.b64decode(key)
    assert key[0] == 1, "not an Ed25519 key"
    assert hashlib.sha256(name.encode() + b"\n" + key).digest()[:4].hex() == key_id, "the log's key was damaged"
    text, signatures = note.rsplit("\n\n", 1)
    text += "\n"
    for line in signatures.splitlines():
        _, signer, signature = line.split(" ")
        signature = base64.b64decode(signature)
        if signer == name and signature[:4].hex() == key_id:
            command = "pkeyutl -verify -rawin -pubin -keyform DER -inkey {key} -in {data} -sigfile {signature}"
            assert openssl(command.split(), ED25519 + key[1:], text.encode(), signature[4:]), "the checkpoint was changed"
            origin, size, root = text.split("\n")[:3]
            assert origin == name, "the checkpoint is of another log"
            return origin, int(size), base64.b64decode(root)
    raise AssertionError("the checkpoint is not signed by the log")


# RFC 6962 section 2.1.
def leaf_hash(leaf):
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(hashes):
    if len(hashes) < 2:
        return hashes[0] if hashes else hashlib.sha256().digest()
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(root_of(hashes[:split]), root_of(hashes[split:]))


def root_from_proof(leaf, index, size, path):
    """RFC 9162 section 2.1.3.2."""
    node, last, root = index, size - 1, leaf
    for hash in path:
        assert last > 0, "the proof is too long"
        if node & 1 or node == last:
            root = node_hash(hash, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, hash)
        node, last = node >> 1, last >> 1
    assert last == 0, "the proof is too short"
    return root


def check_message(path, export):
    message = json.loads(path.read_text())
    envelope = message["envelope"]
    sender = json.loads(b64url(envelope.split(".")[1]))["iss"]
    keys = key_set(export / "keys" / (sender.replace("/", "__") + ".jwks.json"))
    claims = verify_jws(envelope, keys, "saphan-envelope+jws")
    assert claims["iss"] == sender
    if "body" in message:
        body = base64.b64decode(message["body"])
        commit = hmac.new(b64url(message["salt"]), body, hashlib.sha256).digest()
        assert (commit, len(body)) == (b64url(claims["body"]["commit"]), claims["body"]["len"]), "another body"
    receipt = verify_jws(message["receipt"], key_set(export / "keys" / "hub.jwks.json"), "saphan-receipt+jws")
    head, note = message["proof"].split("\n\n", 1)
    form, extra, index, *path_lines = head.split("\n")
    assert form == "c2sp.org/tlog-proof@v1" and extra.startswith("extra ") and index.startswith("index ")
    logged = base64.b64decode(extra[6:]) + envelope.encode() + b'"}'
    leaf, entry = leaf_hash(logged), json.loads(logged)
    assert (entry["t"], entry["envelope"]) == ("message", envelope), "another leaf"
    origin, size, root = verify_checkpoint(note, (export / "log" / "vkey").read_text())
    path = [base64.b64decode(line) for line in path_lines]
    assert root_from_proof(leaf, int(index[6:]), size, path) == root, "the proof does not lead to the root"
    said = [receipt[name] for name in ("iss", "jti", "log", "index", "size")]
    assert said == [claims["hub"], claims["jti"], origin, int(index[6:]), size], "the receipt is of something else"
    stated = [receipt["iat"], receipt["schema"], claims["schema"]]
    assert stated == [entry["ts"] // 1000, entry["schema"]["id"], receipt["schema"]], "the receipt is of something else"
    hashes = [b64url(receipt[name]) for name in ("env", "leaf", "root")]
    assert hashes == [hashlib.sha256(envelope.encode()).digest(), leaf, root], "the receipt is of something else"
    return f"{claims['type']} from {sender} to {claims['aud']}, entry {receipt['index']} of {origin}"


def thumbprint(jwk):
    """The name of a key (RFC 7638)."""
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class Registry:
    """What the registry entries of a bundle say, in their order."""

    def __init__(self, opened):
        self.hub = opened["hub"]
        self.operators, self.receipts = ({thumbprint(opened[use]): opened[use]} for use in ("operator", "receipts"))
        self.keys, self.schemas, self.agreements = {}, {}, {}

    def of(self, system):
        return {kid: jwk for kid, (owner, jwk) in self.keys.items() if owner == system}

    def take(self, text):
        claims = json.loads(b64url(text.split(".")[1]))
        action, entry, issuer = claims["change"]["action"], claims["change"]["entry"], claims["iss"]
        keys = self.operators if issuer == self.hub else self.of(issuer)
        if "invitation" in claims:  # a first key registers itself
            keys = {thumbprint(entry["jwk"]): entry["jwk"]}
            assert entry["system"] == issuer
        verify_jws(text, keys, "saphan-registry+jws")
        assert claims["aud"] == self.hub, "a registry entry of another hub"
        kind = entry.get("kind")
        if action == "signed":
            terms, signers = self.agreements[entry["agreement"]][1:]
            assert entry["terms"] == terms, "other terms were signed"
            signers.add(issuer.split("/")[0])
        elif action == "revoked" and kind in ("key", "schema", "agreement"):
            {"key": self.keys, "schema": self.schemas, "agreement": self.agreements}[kind].pop(entry["id"])
        elif action == "revoked" and kind == "hub-key":
            {"receipts": self.receipts, "operator": self.operators}.get(entry["id"]["use"], {}).pop(entry["id"]["id"], None)
        elif action == "revoked":
            gone = entry["id"]
            self.keys = {kid: key for kid, key in self.keys.items() if gone not in (key[0], key[0].split("/")[0])}
        elif kind == "key":
            self.keys[thumbprint(entry["jwk"])] = (entry["system"], entry["jwk"])
        elif kind == "hub-key" and entry["use"] != "log":
            ring = self.receipts if entry["use"] == "receipts" else self.operators
            ring[thumbprint(entry["jwk"])] = entry["jwk"]
        elif kind == "schema":
            self.schemas[entry["id"]] = entry["sha256"]
        elif kind == "agreement":
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
            self.agreements[entry["id"]] = (entry, digest, set())

    def allows(self, claims):
        """An agreement between the two for this type, service and purpose that both members signed."""
        for terms, _, signers in self.agreements.values():
            same = (terms["sender"], terms["receiver"]) == (claims["iss"], claims["aud"]) and claims["type"] in terms["types"]
            fits = all((claims.get(one) in terms[many]) if terms.get(many) else one not in claims
                       for one, many in (("service", "services"), ("purpose", "purposes")))
            if same and fits and {claims["iss"].split("/")[0], claims["aud"].split("/")[0]} <= signers:
                return True
        return False


def check_bundle(path, vkey):
    bundle = json.loads(path.read_text())
    assert bundle["format"] == "saphan-evidence@1", "not an evidence bundle"
    origin, size, root = verify_checkpoint(bundle["checkpoint"], vkey)
    registry, shown, last = None, {}, -1
    for entry in bundle["entries"]:
        index, leaf = entry["index"], json.loads(entry["leaf"])
        assert index > last, f"entry {index} is out of order"
        last = index
        proof = [b64url(hash) for hash in entry["proof"]]
        assert root_from_proof(leaf_hash(entry["leaf"].encode()), index, size, proof) == root, f"entry {index} was changed"
        if registry is None:
            opened = leaf["event"]["opened"]
            assert index == 0 and opened["origin"] == origin, "the entry that opens the log is missing"
            registry = Registry(opened)
        elif leaf["t"] == "registry":
            registry.take(leaf["entry"])
        elif leaf["t"] == "message":
            sender = json.loads(b64url(leaf["envelope"].split(".")[1]))["iss"]
            claims = verify_jws(leaf["envelope"], registry.of(sender), "saphan-envelope+jws")
            assert claims["hub"] == registry.hub and claims["schema"] == leaf["schema"]["id"], f"message {index} is of another hub"
            assert registry.schemas.get(claims["schema"]) == leaf["schema"]["sha256"], f"message {index}: another schema"
            assert registry.allows(claims), f"message {index}: no agreement in the bundle allowed it"
            shown[index] = (claims, leaf, dict(registry.receipts))
        elif leaf["t"] == "acknowledgement":
            signer = json.loads(b64url(leaf["acknowledgement"].split(".")[1]))["iss"]
            for said in verify_jws(leaf["acknowledgement"], registry.of(signer), "saphan-ack+jws")["messages"]:
                assert said["index"] not in shown or shown[said["index"]][0]["aud"] == signer, "not the receiver's"
    hashes = {leaf["schema"]["sha256"] for _, leaf, _ in shown.values()}
    for text in bundle.get("schemas", []):
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        assert digest in hashes, "a schema text was changed"
    assert bundle["messages"], "it names no message"
    for message in bundle["messages"]:
        claims, leaf, receipts = shown[message["index"]]
        if "body" in message:
            body = base64.b64decode(message["body"])
            commit = hmac.new(b64url(message["salt"]), body, hashlib.sha256).digest()
            assert (commit, len(body)) == (b64url(claims["body"]["commit"]), claims["body"]["len"]), "another body"
        if "receipt" in message:
            receipt = verify_jws(message["receipt"], receipts, "saphan-receipt+jws")
            said = [receipt[name] for name in ("iss", "jti", "log", "index")]
            assert said == [registry.hub, claims["jti"], origin, message["index"]], "the receipt is of something else"
            assert b64url(receipt["env"]) == hashlib.sha256(leaf["envelope"].encode()).digest(), "another receipt"
    return f"{len(bundle['messages'])} messages, {len(bundle['entries'])} of {size} entries of {origin}"


def entries(log, size):
    for bundle in range((size + 255) // 256):
        width = min(256, size - bundle * 256)
        # C2SP tlog-tiles: groups of three digits, all but the last with an x before it.
        digits = f"{bundle:03}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        name = "/".join(["x" + group for group in groups[:-1]] + [groups[-1]])
        data = (log / "tile" / "entries" / (name if width == 256 else f"{name}.p/{width}")).read_bytes()
        for _ in range(width):
            length = int.from_bytes(data[:2], "big")
            yield data[2 : 2 + length]
            data = data[2 + length :]
        assert not data, f"bundle {bundle} is too long"


def check_log(log, older):
    vkey = (log / "vkey").read_text()
    origin, size, root = verify_checkpoint((log / "checkpoint").read_text(), vkey)
    hashes = [leaf_hash(entry) for entry in entries(log, size)]
    assert root_of(hashes) == root, "the entries do not lead to the root that is signed"
    if older:
        _, before, root_before = verify_checkpoint(older.read_text(), vkey)
        assert before <= size, "the log is shorter than before"
        assert root_of(hashes[:before]) == root_before, "the log was changed since the older checkpoint: a fork"
        return f"{origin}: {size} entries, grown from {before}"
    return f"{origin}: {size} entries"


def main(what, first, *rest):
    if what == "message":
        for path in rest:
            print("ok", check_message(pathlib.Path(path), pathlib.Path(first)))
    elif what == "log":
        print("ok", check_log(pathlib.Path(first), pathlib.Path(rest[0]) if rest else None))
    elif what == "bundle":
        for path in rest:
            print("ok", check_bundle(pathlib.Path(path), pathlib.Path(first).read_text()))
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
