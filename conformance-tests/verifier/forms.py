"""The forms of names, statements and leaves: which members they have, and what each may be (wire-contract.md, "Names",
"Envelope", "Receipt", "Acknowledgement", "Leaves", "Registry entries"). A form is a function that takes a value, and
raises Unreadable if the value is not of the form."""
import json
import re
import unicodedata

import jws
import notes
from faults import Unreadable


def string(value):
    if not isinstance(value, str):
        raise Unreadable("not a string")


def matching(pattern, longest, what):
    compiled = re.compile(pattern)

    def form(value):
        string(value)
        if len(value) > longest or not compiled.fullmatch(value):
            raise Unreadable(f"{value!a:.90} is no {what}")
    return form


def one_of(*texts):
    def form(value):
        string(value)
        if value not in texts:
            raise Unreadable(f"{value!a:.90} is not {' or '.join(texts)}")
    return form


def whole_below(end):
    def form(value):
        if type(value) is not int or not 0 <= value < end:  # to isinstance, true and false are int as well
            raise Unreadable(f"not a whole number below {end}")
    return form


def flag(value):
    if not isinstance(value, bool):
        raise Unreadable("neither true nor false")


def listed(element, least=0, most=None):
    def form(value):
        if not isinstance(value, list) or len(value) < least or most is not None and len(value) > most:
            raise Unreadable("not a list, or one that is too short or too long")
        for one in value:
            element(one)
    return form


def record(required, optional={}, ordered=False, closed=True):
    """An object with these members and, if it is closed, no others; ordered where the hub writes it, which does so in one order
    only."""
    fields = {**required, **optional}

    def form(value):
        if not isinstance(value, dict):
            raise Unreadable("not an object")
        odd = sorted((required.keys() - value.keys()) | (value.keys() - fields.keys() if closed else set()))
        if odd:
            raise Unreadable(f"members that are missing or too many: {odd!a:.90}")
        if ordered and list(value) != [name for name in fields if name in value]:
            raise Unreadable("the members are in another order than the hub writes them")
        for name, form_of in fields.items():
            try:
                if name in value:
                    form_of(value[name])
            except Unreadable as error:
                raise Unreadable(f"{name}: {error}") from None
    return form


def tagged(tag, forms):
    """An object whose form one of its members tells."""
    def form(value):
        kind = value.get(tag) if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in forms:
            raise Unreadable(f"{tag} is not one of {', '.join(forms)}")
        forms[kind](value)
    return form


LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
LABELS = rf"{LABEL}(\.{LABEL})*"
SYSTEM_NAME = rf"(?=[^/]{{1,64}}/){LABELS}/(?=.{{1,63}}$){LABEL}"
NAME = matching(LABELS, 64, "name")
HUB = matching(LABELS, 128, "hub")
SYSTEM = matching(SYSTEM_NAME, 128, "system")
ISSUER = matching(rf"{LABELS}|{SYSTEM_NAME}", 128, "hub or system")
SCHEMA = matching(rf"(?=[^@]{{1,64}}@){LABELS}@[1-9][0-9]{{0,2}}", 68, "schema")
VERSION = matching(r"[1-9][0-9]{0,2}\.(0|[1-9][0-9]*)", 14, "version")
UUID = matching(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", 36, "UUIDv7")
# Base64url of 32 and of 64 bytes: the last character has bits that mean nothing, which are zero.
HASH = matching(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", 43, "base64url of 32 bytes")
SIGNATURE = matching(r"[A-Za-z0-9_-]{85}[AQgw]", 86, "base64url of 64 bytes")
NONCE = matching(r"[0-9a-f]{32}", 32, "nonce")
MEDIA_TYPE = matching(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+", 100, "media type")
SHARD = re.compile("[a-z0-9-]{1,63}")
ORIGIN = matching(rf"(?=[^/]{{1,128}}/){LABELS}/log/{SHARD.pattern}", 196, "origin")
YEAR_9999 = 253_370_764_800  # in seconds since 1970
SECONDS, MILLISECONDS, COUNT = whole_below(YEAR_9999), whole_below(YEAR_9999 * 1000), whole_below(1 << 63)
VALIDITY = {"not_before": SECONDS, "not_after": SECONDS}
JWK = {"kty": one_of("EC"), "crv": one_of("P-256"), "x": HASH, "y": HASH}


def legal_basis(value):
    string(value)
    if not 1 <= len(value) <= 200 or any(unicodedata.category(one) == "Cc" for one in value):
        raise Unreadable("a legal basis has 1 to 200 characters, none of them a control character")


def version(value):
    VERSION(value)
    whole_below(1 << 32)(int(value.partition(".")[2]))


def days(value):
    whole_below(1 << 16)(value)
    if value == 0:
        raise Unreadable("no day")


def jwk(value):
    record(JWK)(value)
    jws.key_of(value)  # is it a point of the curve?


def opened_jwk(value):
    record(JWK, ordered=True)(value)
    jws.key_of(value)


def vkey(value):
    string(value)
    notes.VerifierKey(value.encode(), notes.LOG)


def event(value):
    names = list(value) if isinstance(value, dict) else []
    if len(names) != 1 or names[0] not in EVENTS:
        raise Unreadable("neither opened nor closed")
    EVENTS[names[0]](value[names[0]])


EVENTS = {"opened": record({"origin": string, "hub": HUB, "operator": opened_jwk, "receipts": opened_jwk, "log": vkey},
                           {"previous": string, "abandoned": record({"kept": string}, {"key": string}, ordered=True)},
                           ordered=True),
          "closed": record({"next": string})}


def written(optional={}, **members):
    return record({"t": string, "ts": MILLISECONDS, **members}, optional, ordered=True)


LEAF = tagged("t", {
    "message": written(schema=record({"id": SCHEMA, "sha256": HASH}, ordered=True), envelope=string),
    "refusal": written(code=NAME, env=HASH, nonce=NONCE),
    "acknowledgement": written(acknowledgement=string),
    "registry": written(entry=string),
    "erasure": written({"log": string}, index=COUNT, basis=NAME),
    "query": written(auditor=SYSTEM, commit=HASH),
    "shard": written(event=event)})


def leaf(data):
    """A leaf from its exact bytes. The hub writes compact JSON without needless escapes, and that in one way only."""
    if len(data) > 16384:
        raise Unreadable("a leaf has at most 16 KiB")
    value = jws.strict_json(data)
    LEAF(value)
    if json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() != data:
        raise Unreadable("the leaf is not written as the hub writes it")
    return value


COMMITMENT = {"commit": HASH, "len": COUNT}
ENVELOPE = record(
    {"iss": SYSTEM, "aud": SYSTEM, "hub": HUB, "jti": UUID, "iat": SECONDS, "type": NAME, "schema": SCHEMA,
     "body": record({"alg": one_of("HMAC-SHA-256"), **COMMITMENT})},
    {"not_after": SECONDS, "service": NAME, "case": UUID, "reply_to": UUID, "purpose": NAME,
     "legal_basis": legal_basis, "consent": UUID,
     "documents": listed(record({**COMMITMENT, "media_type": MEDIA_TYPE}, {"evidence_type": NAME}), most=16)})
ACKNOWLEDGEMENT = record(
    {"iss": SYSTEM, "aud": HUB, "jti": UUID, "iat": SECONDS, "messages": listed(tagged("outcome", {
        "processed": record({"index": COUNT, "outcome": string}),
        "rejected": record({"index": COUNT, "outcome": string, "code": NAME})}), least=1, most=256)}, {"log": string})
RECEIPT = record({"iss": HUB, "iat": SECONDS, "jti": UUID, "log": ORIGIN, "index": COUNT, "leaf": HASH, "env": HASH,
                  "size": COUNT, "root": HASH, "schema": SCHEMA})


def envelope(claims):
    ENVELOPE(claims)
    if claims["schema"].partition("@")[0] != claims["type"]:
        raise Unreadable("the name of the schema is not the type")


def acknowledgement(claims):
    ACKNOWLEDGEMENT(claims)
    if len({said["index"] for said in claims["messages"]}) != len(claims["messages"]):
        raise Unreadable("a message is in it twice")


def entry(optional={}, **members):
    return record({"kind": string, **members}, optional)


ENTRY = tagged("kind", {
    "member": entry(id=NAME, name_th=string, name_en=string),
    "system": entry({"roles": listed(one_of("system", "auditor", "operator"))}, id=SYSTEM,
                    transport=one_of("pull", "amqp")),
    "key": entry(VALIDITY, system=SYSTEM, jwk=jwk),
    "service": entry(id=NAME, authority=NAME),
    "schema": entry({"accepted": legal_basis}, id=SCHEMA, version=version, sha256=HASH),
    "agreement": entry({"services": listed(NAME), "purposes": listed(NAME), "consent": flag, "retention_days": days,
                        **VALIDITY}, id=NAME, sender=SYSTEM, receiver=SYSTEM, types=listed(NAME), legal_basis=legal_basis),
    "invitation": entry(id=HASH, system=SYSTEM, not_after=SECONDS),
    "hub-key": tagged("use", {"receipts": entry(use=string, jwk=jwk), "operator": entry(use=string, jwk=jwk),
                              "log": entry(use=string, vkey=vkey)})})
HUB_KEY_ID = tagged("use", {use: record({"use": string, "id": form}) for use, form in (
    ("receipts", HASH), ("operator", HASH), ("log", vkey))})
ENDED = tagged("kind", {kind: entry(id=form) for kind, form in (
    ("member", NAME), ("system", SYSTEM), ("key", HASH), ("service", NAME), ("schema", SCHEMA), ("agreement", NAME),
    ("invitation", HASH), ("hub-key", HUB_KEY_ID))})
CHANGE = tagged("action", {action: record({"action": string, "entry": form}) for action, form in (
    ("added", ENTRY), ("changed", ENTRY), ("revoked", ENDED), ("signed", record({"agreement": NAME, "terms": HASH})))})
REGISTRY = record({"iss": ISSUER, "aud": HUB, "iat": SECONDS, "jti": UUID, "change": CHANGE}, {"invitation": SIGNATURE})

CLAIMS = {"saphan-envelope+jws": envelope, "saphan-ack+jws": acknowledgement, "saphan-receipt+jws": RECEIPT,
          "saphan-registry+jws": REGISTRY}


def statement(text, typ):
    """A signed statement that has its form; whether its signature holds is still to be checked."""
    parsed = jws.parse(text, typ)
    CLAIMS[typ](parsed.claims)
    return parsed
