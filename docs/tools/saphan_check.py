#!/usr/bin/env python3
"""Checks Saphan messages and logs with nothing but Python's standard library and the program `openssl`.

  saphan_check.py message EXPORT FILE...       messages, with the keys in EXPORT/keys and EXPORT/log/vkey
  saphan_check.py log LOG [OLDER_CHECKPOINT]   a static copy of a log; and that it grew from an older checkpoint

It shares no code with Saphan, so it shows that the formats of docs/wire-contract.md are what they say. It checks less than
`saphan verify` and `saphan log check`: not the validity times of keys, and in a log the tree, but not each leaf's signature.
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
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
