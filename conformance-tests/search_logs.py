#!/usr/bin/env python3
"""Searches the logs of a test run for every private key, every signed statement and every applicant's number, by their forms.

search_logs.py FOLDER    exit code 0 if nothing is found, 1 if something is, 2 if there is nothing to search
search_logs.py --self-test

The tests of secrets.rs know the very keys, codes, salts and names of their exchange; this knows forms only, and sees every test.
"""

import re
import sys
from pathlib import Path

FORMS = {
    "a private key in PEM": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    # PKCS #8 of a key on P-256 (RFC 5915) and of Ed25519 (RFC 8410), in base64: the same first bytes for every key.
    "a private key": r"MIGHAgEAMBMGByqGSM49|MIGTAgEAMBMGByqGSM49|MC4CAQAwBQYDK2VwBCIEI|MFMCAQEwBQYDK2VwBCIEI",
    "a private JWK": r"\"d\"\s*:\s*\"[A-Za-z0-9_-]{43}\"",
    "a signed statement": r"eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}",
    # The samples' people and companies: province 99, and passports of no country (examples/src/applicants/numbers.rs).
    "a person's number": r"(?<![0-9A-Za-z])(?:[1-8]9901[0-9]{8}|0995569[0-9]{6}|ZZ[0-9]{7})(?![0-9A-Za-z])",
    "a code of an invitation": r"(?<![0-9A-Fa-f-])(?:[0-9A-Fa-f]{4}-){7}[0-9A-Fa-f]{4}(?![0-9A-Fa-f-])",
    "a password in an address": r"amqps?://[^/\s:@]+:[^/\s@]+@",
}
# Bytes in decimals, as Rust and Erlang write them.
LIST = re.compile(r"[0-9]{1,3}(?:, ?[0-9]{1,3}){8,}")


def findings(text):
    for what, form in FORMS.items():
        if match := re.search(form, text):
            yield what, text.count("\n", 0, match.start()) + 1


def of_bytes(text):
    for match in LIST.finditer(text):
        numbers = [int(number) for number in match.group().split(",")]
        if max(numbers) < 256:
            hidden = bytes(numbers).decode("utf-8", "replace")
            for what, _ in findings(hidden):
                yield what + ", as a list of bytes", text.count("\n", 0, match.start()) + 1


def search(text):
    return [*findings(text), *of_bytes(text)]


def self_test():
    samples = [
        "-----BEGIN PRIVATE KEY-----",
        "x MIGHAgEAMBMGByqGSM49AgEG",
        '{"d": "' + "A" * 43 + '"}',
        "Bearer eyJ" + "A" * 40 + "." + "B" * 40 + "." + "C" * 86,
        "national_id=1990100010008",
        "number:0995569000010.",
        "passport ZZ0000012",
        "0123-4567-89ab-cdef-0123-4567-89ab-cdef",
        "amqp://hub:hunter2@127.0.0.1/saphan",
    ]
    for sample in samples:
        assert len(search(sample)) == 1, sample
        assert search(", ".join(str(byte) for byte in sample.encode())), sample
    for harmless in ["1764043200000", "01a2115d-d51a-701e-8eb2-ef46eaa62b04", "amqps://localhost:5671/saphan", "1, 2, 3"]:
        assert not search(harmless), harmless


def main(folder):
    self_test()
    files = sorted(path for path in Path(folder).iterdir() if path.is_file())
    hubs = sum(path.name.startswith("hub-") for path in files)
    brokers = sum(path.name.startswith("rabbitmq-") for path in files)
    if not hubs or not brokers:
        print(f"{folder}: logs of {hubs} hubs and {brokers} brokers; the tests kept too little", file=sys.stderr)
        return 2
    # What was found is not repeated: this is a log as well.
    found = [(path, what, line) for path in files for what, line in search(path.read_text("utf-8", "replace"))]
    for path, what, line in found:
        print(f"{path.name}:{line}: {what}", file=sys.stderr)
    print(f"searched {len(files)} logs, of {hubs} hubs and {brokers} brokers: {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        self_test()
    elif len(sys.argv) == 2:
        sys.exit(main(sys.argv[1]))
    else:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
