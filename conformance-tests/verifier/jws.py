"""Strict JSON, base64, ES256 keys, and compact JWS (wire-contract.md, "Encodings", "Keys", "Signed statements")."""
import base64
import functools
import hashlib
import json
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from faults import Unreadable

LONGEST = {"saphan-envelope+jws": 8192, "saphan-receipt+jws": 4096, "saphan-ack+jws": 15360,
           "saphan-registry+jws": 15360}
ES256 = ec.ECDSA(hashes.SHA256())


def _members(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _whole(text):
    if text.startswith("-"):  # no number of the contract is negative, and -0 would read as 0
        raise ValueError("a number is negative")
    return int(text)


def _refuse(text):
    raise ValueError(f"{text:.20} is not a whole number")


def strict_json(data):
    """JSON (RFC 8259) in UTF-8: no member twice, whole numbers only, nothing after the value."""
    try:
        text = data.decode()
        value = json.loads(text, object_pairs_hook=_members, parse_int=_whole, parse_float=_refuse,
                           parse_constant=_refuse)
        if "\\u" in text:  # half of a surrogate pair is no character; Python finds that only when it encodes
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not strict JSON: {error}") from None
    return value


def b64(text):
    """RFC 4648 section 4, with padding. Strict: of all texts for the same bytes, only the one that they encode to."""
    try:
        data = base64.b64decode(text)
    except ValueError:
        data = b""
    if base64.b64encode(data).decode() != text:
        raise Unreadable("not strict base64")
    return data


def b64url(text):
    """RFC 4648 section 5, without padding, and as strict."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        data = b""
    if to_b64url(data) != text:
        raise Unreadable("not strict base64url")
    return data


def to_b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def sha256(data):
    return to_b64url(hashlib.sha256(data).digest())


class Statement(NamedTuple):
    kid: str
    claims: dict
    signed: bytes
    signature: bytes


class Key:
    """A P-256 key, named by its RFC 7638 thumbprint."""

    def __init__(self, x, y):
        numbers = (int.from_bytes(b64url(one), "big") for one in (x, y))
        try:
            self.public = ec.EllipticCurvePublicNumbers(*numbers, ec.SECP256R1()).public_key()
        except ValueError:
            raise Unreadable("x and y are no point of P-256") from None
        self.kid = sha256(f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'.encode())

    def signed(self, statement):
        """RFC 7518 section 3.4: the signature is r and s, 32 bytes each."""
        r, s = (int.from_bytes(half, "big") for half in (statement.signature[:32], statement.signature[32:]))
        try:
            self.public.verify(utils.encode_dss_signature(r, s), statement.signed, ES256)
        except InvalidSignature:
            return False
        return True


@functools.lru_cache(maxsize=None)
def _key(x, y):
    return Key(x, y)


def key_of(jwk):
    """The key of a JWK that has its form. The same key is read once, for that takes as long as a signature."""
    return _key(jwk["x"], jwk["y"])


@functools.lru_cache(maxsize=4096)
def _kid(header, typ):
    """The key that a header names. It has exactly four members, in any order."""
    members = strict_json(b64url(header))
    kid = members.get("kid") if isinstance(members, dict) else None
    if members != {"alg": "ES256", "cty": "json", "kid": kid, "typ": typ} or not isinstance(kid, str):
        raise Unreadable(f"the header is not that of {typ}")
    if len(b64url(kid)) != 32:
        raise Unreadable("kid is no thumbprint")
    return kid


def parse(text, typ):
    """A compact JWS (RFC 7515 section 7.1), whose claims and signature are still to be checked."""
    parts = text.split(".")
    if len(text) > LONGEST[typ] or len(parts) != 3:
        raise Unreadable(f"not a compact JWS of at most {LONGEST[typ]} bytes")
    kid, claims, signature = _kid(parts[0], typ), strict_json(b64url(parts[1])), b64url(parts[2])
    if len(signature) != 64:
        raise Unreadable("an ES256 signature has 64 bytes")
    return Statement(kid, claims, f"{parts[0]}.{parts[1]}".encode(), signature)
