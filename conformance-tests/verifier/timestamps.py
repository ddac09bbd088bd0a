"""Timestamp tokens (RFC 3161, RFC 5652, RFC 5816; evidence-bundle.md, "Timestamps")."""
import base64
import calendar
import datetime
import hashlib
import re
import time

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

import der
from faults import Fault, Unreadable, require

DIGESTS = {"2.16.840.1.101.3.4.2.1": hashes.SHA256(), "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
           "2.16.840.1.101.3.4.2.3": hashes.SHA512()}
RSA_ANY, RSA = "1.2.840.113549.1.1.1", {"1.2.840.113549.1.1.11": "sha256", "1.2.840.113549.1.1.12": "sha384",
                                        "1.2.840.113549.1.1.13": "sha512"}
ECDSA = {"1.2.840.10045.4.3.2": "sha256", "1.2.840.10045.4.3.3": "sha384"}
SIGNED_DATA, TST_INFO = "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.12", "1.2.840.113549.1.9.16.2.47"
GENERALIZED = re.compile(r"([0-9]{14})(?:\.([0-9]*[1-9]))?Z")
LONGEST = 32 << 10
CLOCKS_APART = 600  # so many seconds older than an entry a token on it may be
PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s(.*?)-----END CERTIFICATE-----", re.DOTALL)


class Certificate:
    """A certificate with its issuer and serial number as they are written."""

    def __init__(self, data):
        self.data = data
        try:
            self.parsed = x509.load_der_x509_certificate(data)
            self.key, self.extensions = self.parsed.public_key(), self.parsed.extensions
        except (ValueError, x509.DuplicateExtension, x509.InvalidVersion, UnsupportedAlgorithm) as error:
            raise Unreadable(f"a certificate: {error}") from None
        body = der.Members(der.read(data).members(der.SEQUENCE)[0])
        body.optional(0xA0)
        self.serial = body.take(der.INTEGER).whole
        body.take(der.SEQUENCE)
        self.issuer = body.take(der.SEQUENCE).whole
        body.take(der.SEQUENCE)
        self.subject = body.take(der.SEQUENCE).whole

    def extension(self, oid):
        try:
            return self.extensions.get_extension_for_oid(oid)
        except x509.ExtensionNotFound:
            return None

    def is_ca(self):
        basic = self.extension(ExtensionOID.BASIC_CONSTRAINTS)
        return basic is not None and basic.value.ca

    def usages(self):
        found = self.extension(ExtensionOID.EXTENDED_KEY_USAGE)
        return found and (list(found.value), found.critical)

    def was_valid(self, at):
        moment = datetime.datetime.utcfromtimestamp(at)
        return self.parsed.not_valid_before <= moment <= self.parsed.not_valid_after

    def name(self):
        names = self.parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return names[0].value if names else self.parsed.subject.rfc4514_string()

    def issued(self, other):
        digest = other.parsed.signature_hash_algorithm
        return (other.issuer == self.subject and digest is not None and digest.name in ("sha256", "sha384", "sha512")
                and signed(self.key, other.parsed.signature, other.parsed.tbs_certificate_bytes, digest))


def signed(key, signature, data, digest):
    """RSA with PKCS #1 version 1.5 and 2048 bits or more, or ECDSA on P-256 or P-384."""
    try:
        if isinstance(key, rsa.RSAPublicKey) and 2048 <= key.key_size <= 8192:
            key.verify(signature, data, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in ("secp256r1", "secp384r1"):
            key.verify(signature, data, ec.ECDSA(digest))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def readable(values):
    """The certificates among some values. Nobody need be able to read those that are not needed."""
    for one in values:
        try:
            yield Certificate(one.expect(der.SEQUENCE).whole)
        except Unreadable:
            pass


def authorities(data):
    """The certificates of a PEM file, each trusted as it is."""
    try:
        found = [Certificate(base64.b64decode(one)) for one in PEM.findall(data)]
    except ValueError as error:
        raise Unreadable(f"not PEM: {error}") from None
    if not found:
        raise Unreadable("there is no certificate in it")
    return found


def algorithm(value):
    """The object identifier of an AlgorithmIdentifier, which has no parameters, or NULL for them."""
    members = der.Members(value)
    oid = members.take(der.OID).oid()
    if [one.whole for one in members.left] not in ([], [der.NULL]):
        raise Unreadable("an algorithm with parameters")
    return oid


def digest_of(oid):
    if oid not in DIGESTS:
        raise Unreadable("a hash that is not SHA-256, SHA-384 or SHA-512")
    return DIGESTS[oid]


class Token:
    """A token, read and not verified. What was signed is read once the signature holds."""

    def __init__(self, data):
        if len(data) > LONGEST:
            raise Unreadable("more bytes than a token has")
        outer = der.Members(der.read(data))
        kind, content = outer.take(der.OID).oid(), outer.take(0xA0)
        outer.end()
        body = der.Members(der.read(content.content))
        version = body.take(der.INTEGER).integer()
        body.take(der.SET)
        inside = der.Members(body.take(der.SEQUENCE))
        inner_kind, inner = inside.take(der.OID).oid(), inside.take(0xA0)
        inside.end()
        if (kind, inner_kind, version) != (SIGNED_DATA, TST_INFO, 3):
            raise Unreadable("it is not a token of RFC 3161")
        self.content = der.read(inner.content).expect(der.OCTETS).content
        certificates = body.optional(0xA0)
        self.certificates = list(readable(certificates.members(0xA0) if certificates else []))
        crls = body.optional(0xA1)
        crls and crls.members(0xA1)
        signers = body.take(der.SET).members(der.SET)
        body.end()
        if len(signers) != 1:
            raise Unreadable("it does not have one signature")
        self._read_signer(der.Members(signers[0]))

    def _read_signer(self, signer):
        if signer.take(der.INTEGER).integer() not in (1, 3):
            raise Unreadable("the version of its signature")
        self.signer_key = signer.optional(0x80)
        self.signer_name = None if self.signer_key else signer.take(der.SEQUENCE).content
        self.digest = algorithm(signer.take(der.SEQUENCE))
        self.attributes = signer.take(0xA0)
        self.signature_algorithm = algorithm(signer.take(der.SEQUENCE))
        self.signature = signer.take(der.OCTETS).content
        signer.optional(0xA1)
        signer.end()

    def _read_info(self, info):
        version = info.take(der.INTEGER).integer()
        self.policy = info.take(der.OID).oid()
        imprint = der.Members(info.take(der.SEQUENCE))
        self.imprint = digest_of(algorithm(imprint.take(der.SEQUENCE))).name, imprint.take(der.OCTETS).content
        imprint.end()
        info.take(der.INTEGER)
        self._read_time(info.take(der.TIME).content)
        accuracy = info.optional(der.SEQUENCE)
        micros = self.micros + (accuracy_of(accuracy) if accuracy else 0)
        self.latest = self.time + -(-micros // 1_000_000)
        info.optional(der.BOOLEAN)
        info.optional(der.INTEGER)
        info.optional(0xA0)
        extensions = info.optional(0xA1)
        critical = extensions and any(one.members(der.SEQUENCE)[1].tag == der.BOOLEAN
                                      for one in extensions.members(0xA1))
        info.end()
        if version != 1 or critical:
            raise Unreadable("the version or an extension of the TSTInfo")

    def _read_time(self, content):
        found = GENERALIZED.fullmatch(content.decode("ascii", errors="replace"))
        try:
            self.time = calendar.timegm(time.strptime(found[1], "%Y%m%d%H%M%S"))
            datetime.datetime.strptime(found[1], "%Y%m%d%H%M%S")  # which knows no leap second
        except (TypeError, ValueError):
            raise Unreadable("the time is not written as a time") from None
        if self.time < 0:
            raise Unreadable("the time is before 1970")
        digits = (found[2] or "").ljust(6, "0")
        self.micros = int(digits[:6]) + (digits[6:].strip("0") != "")

    def verify(self, data, trusted):
        """In the order of evidence-bundle.md. Answers the time and the authority."""
        signer = self._signer(self.certificates + trusted)
        self._check_signature(signer)
        self._read_info(der.Members(der.read(self.content)))
        name, imprint = self.imprint
        require(hashlib.new(name, data).digest() == imprint, "other-timestamp",
                "the hash in the token is that of something else")
        require(signer.usages() == ([ExtendedKeyUsageOID.TIME_STAMPING], True), "not-for-timestamps",
                "the certificate is not for timestamps alone, or does not say so critically")
        require(signer.was_valid(self.time), "expired-timestamp", "the certificate was not valid at the token's time")
        is_trusted = any(one.data == signer.data for one in trusted) or self._leads(signer, trusted, 0)
        require(not signer.is_ca() and is_trusted, "untrusted-timestamp",
                "no trusted authority stands for the certificate")
        return {"time": self.latest, "authority": signer.name()}

    def _signer(self, known):
        for one in known:
            if self.signer_name == one.issuer + one.serial:
                return one
            own = one.extension(ExtensionOID.SUBJECT_KEY_IDENTIFIER)
            if self.signer_key and own and own.value.digest == self.signer_key.content:
                return one
        raise Fault("changed-timestamp", "the certificate of the signer is not there")

    def _check_signature(self, signer):
        digest = digest_of(self.digest)
        names = {**RSA, **ECDSA, RSA_ANY: digest.name}
        if names.get(self.signature_algorithm) != digest.name:
            raise Unreadable("the algorithm of the signature is not supported")
        fits = (self.signature_algorithm in ECDSA) == isinstance(signer.key, ec.EllipticCurvePublicKey)
        data = bytes([der.SET]) + self.attributes.whole[1:]
        require(fits and signed(signer.key, self.signature, data, digest), "changed-timestamp",
                "the signature does not hold")
        values = {}
        for one in self.attributes.members(0xA0):
            oid, found = one.members(der.SEQUENCE)
            values.setdefault(oid.oid(), []).extend(found.members(der.SET))
        only = {oid: found[0] for oid, found in values.items() if len(found) == 1}
        kind, hashed = only.get(CONTENT_TYPE), only.get(MESSAGE_DIGEST)
        require(kind and kind.tag == der.OID and kind.oid() == TST_INFO and hashed and hashed.tag == der.OCTETS
                and hashed.content == hashlib.new(digest.name, self.content).digest(), "changed-timestamp",
                "the content is not the one that was signed")
        require(names_itself(only, signer.data), "changed-timestamp", "what was signed does not name the certificate")

    def _leads(self, certificate, trusted, depth):
        """Whether a chain leads from a certificate to a trusted one, each on the way valid at the token's time."""
        if any(one.issued(certificate) for one in trusted):
            return True
        for one in self.certificates if depth < 6 else []:
            usages = one.usages()
            may = usages is None or ExtendedKeyUsageOID.TIME_STAMPING in usages[0]
            if (may and one.is_ca() and one.was_valid(self.time) and one.issued(certificate)
                    and self._leads(one, trusted, depth + 1)):
                return True
        return False


def accuracy_of(value):
    """In microseconds."""
    accuracy = der.Members(value)
    seconds, millis, micros = (accuracy.optional(tag) for tag in (der.INTEGER, 0x80, 0x81))
    accuracy.end()
    parts = ((seconds, 1_000_000), (millis, 1000), (micros, 1))
    return sum(int.from_bytes(part.content, "big") * unit for part, unit in parts if part)


def names_itself(attributes, data):
    """Whether the first certificate of the attribute is this one. Without an algorithm the hash is SHA-256; SHA-1 in the
    attribute's first version."""
    newer, older = attributes.get(SIGNING_CERTIFICATE_V2), attributes.get(SIGNING_CERTIFICATE)
    if not newer and not older:
        return False
    first = (newer or older).members(der.SEQUENCE)[0].members(der.SEQUENCE)[0].members(der.SEQUENCE)
    name = "sha256" if newer else "sha1"
    if newer and first[0].tag == der.SEQUENCE:
        name = digest_of(algorithm(first.pop(0))).name
    return first[0].expect(der.OCTETS).content == hashlib.new(name, data).digest()


def check(token, data, trusted, logged=0):
    """Answers the time and the authority. The last entry that the token covers was logged at `logged`, in seconds since 1970."""
    try:
        answer = Token(token).verify(data, trusted)
    except (Unreadable, IndexError, ValueError) as error:
        raise Fault("malformed-timestamp", f"the token cannot be read: {error}") from None
    require(answer["time"] + CLOCKS_APART >= logged, "early-timestamp",
            f"by its time, {answer['time']}, an entry that it covers was not logged yet: that was at {logged}")
    return answer
