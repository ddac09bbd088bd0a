"""An evidence bundle (evidence-bundle.md): some entries of a hub's logs with their proofs, judged as those of whole logs."""
import base64

import forms
import jws
import timestamps
import tree
from faults import Fault, Unreadable, require
from history import History, check_names
from message import check_body, check_inclusion, compare_receipt, read_json, read_statement
from notes import LOG, Checkpoint, VerifierKey

ENTRY = forms.record({"index": forms.COUNT, "leaf": forms.string, "proof": forms.listed(forms.HASH)})
MESSAGE = forms.record({"index": forms.COUNT}, dict.fromkeys(("log", "receipt", "salt", "body"), forms.string))
TIMESTAMP = forms.record({"size": forms.COUNT, "root": forms.HASH, "proof": forms.listed(forms.HASH),
                          "token": forms.string})
OF_A_LOG = {"checkpoint": forms.string, "entries": forms.listed(ENTRY)}
TIMESTAMPS = {"timestamps": forms.listed(TIMESTAMP)}
FILE = forms.record({"format": forms.one_of("saphan-evidence@1"), **OF_A_LOG, "messages": forms.listed(MESSAGE)},
                    {"earlier": forms.listed(forms.record(OF_A_LOG, TIMESTAMPS)),
                     "schemas": forms.listed(forms.string), **TIMESTAMPS})


class Part:
    """What a bundle has of one of the hub's logs. Entries are known by their places, which go on over all logs."""

    def __init__(self, file, first, key, named):
        self.entries, self.timestamps = file["entries"], file.get("timestamps", [])
        self.checkpoint, self.first = Checkpoint(file["checkpoint"].encode()), first
        self.origin, self.size, self.key = self.checkpoint.origin, self.checkpoint.size, key
        self.end = first + self.size
        self.is_trusted = self.origin == key.name.decode()
        keys = [key] if self.is_trusted else [one for one in named if one.name.decode() == self.origin]
        require(any(self.checkpoint.is_signed_by(one) for one in keys), "changed-checkpoint",
                f"the checkpoint of {self.origin} is not signed by a key of it")

    def check_key(self, history):
        """The key of its checkpoint was its key when it had this size."""
        known = history.log_keys()
        if self.is_trusted:
            good = all(one.stood(self.end) for one in known if one.key.text == self.key.text)
        else:
            good = any(one.stood(self.end) and self.checkpoint.is_signed_by(one.key) for one in known)
        require(good, "invalid-key", f"the key of the checkpoint was not that of {self.origin} when it had this size")


def read_parts(file, key):
    files, parts = [*file.get("earlier", []), file], []
    named = list(named_keys(files))
    for one in files:
        parts.append(Part(one, parts[-1].end if parts else 0, key, named))
    require(any(part.is_trusted for part in parts), "changed-checkpoint", "the key is that of none of the logs")
    return parts


def named_keys(files):
    """The keys of logs that entries name. What these entries are worth is told when they are judged."""
    for entry in (entry for file in files for entry in file["entries"]):
        try:
            leaf = forms.leaf(entry["leaf"].encode())
            text = leaf.get("entry")
            if leaf["t"] == "shard" and "opened" in leaf["event"]:
                opened = leaf["event"]["opened"]
                yield VerifierKey(opened["log"].encode(), LOG)
                text = opened.get("abandoned", {}).get("key")
            if text is not None:
                change = forms.statement(text, "saphan-registry+jws").claims["change"]
                if change["action"] == "added" and "vkey" in change["entry"]:
                    yield VerifierKey(change["entry"]["vkey"].encode(), LOG)
        except Unreadable:
            continue


def in_order(places):
    for one, after in zip(places, places[1:]):
        if one >= after:
            raise Fault("reordered-entries", f"{after} stands after {one}", after)


def read_messages(file, parts):
    """The messages by their places, each with its log."""
    found = []
    for message in file["messages"]:
        part = next((part for part in parts if part.origin == message["log"]), None) if "log" in message else parts[-1]
        require(part and message["index"] < part.size, "missing-entries", "a message is in no log of the bundle")
        found.append((part.first + message["index"], part, message))
        in_order([place for place, _, _ in found[-2:]])
    return found


def check(path, key, policy, trusted):
    """The steps of "How it is verified"."""
    file = read_json(path, FILE, "an evidence bundle")
    parts = read_parts(file, key)
    newest = parts[-1]
    require(file["messages"], "missing-entries", "the bundle proves no message")
    for part in parts:
        in_order([entry["index"] for entry in part.entries])
    messages = read_messages(file, parts)
    history, shown, last_log = History(parts[0].origin, whole=False), {}, 0
    for number, part in enumerate(parts):
        require(part.entries and part.entries[0]["index"] == 0, "missing-entries", "an entry 0, which opens a log, is missing")
        if number:
            history.begin(part.origin, parts[number - 1].checkpoint)
        for entry in part.entries:
            found = of_entry(entry["index"], check_entry, entry, parts, number, history)
            shown[part.first + entry["index"]] = found
            if is_about_messages(*found[:2], part, history):
                last_log = number
        part.check_key(history)
    for place, part, message in messages:
        of_entry(message["index"], check_message, message, place, shown, part, history)
    hashes = {shown[place][0]["schema"]["sha256"] for place, _, _ in messages}
    require(all(jws.sha256(text.encode()) in hashes for text in file.get("schemas", [])), "wrong-schema",
            "a text is not that of a schema that one of the messages names")
    answer = {"origin": newest.origin, "size": newest.size, "entries": len(shown), "messages": len(messages)}
    if len(parts) > 1:
        answer["earlier"] = [part.origin for part in parts[:-1]]
    if history.abandoned:
        answer["abandoned"] = history.abandoned
    tokens = [stamp for part in parts for stamp in stamped(part, messages[0][0])]
    if policy:
        answer["cosigned_by"] = cosigned(policy, parts[last_log:])
    if trusted:
        answer["timestamps"] = [
            {"log": log, "size": size, **timestamps.check(token, text, trusted, last_covered(shown, end))}
            for log, size, end, text, token in tokens]
    return answer


def is_about_messages(leaf, claims, part, history):
    """Whether an entry is about messages of the bundle. Any other acknowledgement is about more than it shows."""
    if leaf["t"] == "acknowledgement":
        log = claims.get("log", part.origin)
        return any(history.place_of(log, said["index"]) in history.receivers for said in claims["messages"])
    return leaf["t"] in ("message", "erasure")


def cosigned(policy, parts):
    """The witnesses of one checkpoint that covers all about the messages: that of their last log, or of a later one."""
    first = None
    for part in reversed(parts):
        try:
            return policy.verify(part.checkpoint)
        except Fault as fault:
            first = first or fault
    raise first


def stamped(part, first):
    """Log, size, the place after the last entry, text and token of a log's timestamps. It has grown from each of their trees."""
    before = max(first - part.first, 0)
    for one in part.timestamps:
        size, root, checkpoint = one["size"], jws.b64url(one["root"]), part.checkpoint
        require(size > before, "other-timestamp", f"the timestamp for {size} entries is of no use, or not in order")
        before = size
        proof = [jws.b64url(node) for node in one["proof"]]
        require(tree.is_grown(size, root, checkpoint.size, checkpoint.root, proof), "other-timestamp",
                f"the checkpoint has not grown from the {size} entries of a timestamp")
        try:
            token = jws.b64(one["token"])
        except Unreadable as error:
            raise Fault("malformed-timestamp", f"a token is {error}") from None
        text = f"{part.origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode()
        yield part.origin, size, part.first + size, text, token


def last_covered(shown, end):
    """When the last entry of the bundle before a place was logged, in seconds since 1970."""
    return shown[max(place for place in shown if place < end)][0]["ts"] // 1000


def of_entry(index, check_it, *arguments):
    try:
        return check_it(*arguments)
    except Fault as fault:
        raise Fault(fault.kind, f"entry {index}: {fault.what}", index) from None


def check_opening(leaf, parts, number):
    """The first entry opens its log, and says what is before it."""
    opened, origin = leaf["event"].get("opened", {}) if leaf["t"] == "shard" else {}, parts[number].origin
    require(opened and opened["origin"] == origin, "missing-entries", "it does not open this log")
    check_names(opened)
    if number == 0:
        require("previous" not in opened and "abandoned" not in opened, "missing-entries", "the log before it is missing")
        return
    before = parts[number - 1]
    require("previous" in opened, "missing-entries", f"{before.origin} is before it, and it names none")
    require(all(part.origin != origin for part in parts[:number]), "misplaced-entry", f"{origin} was there before")
    require("abandoned" in opened or before.entries[-1]["index"] == before.size - 1, "missing-entries",
            f"the last entry of {before.origin} is missing")


def check_entry(entry, parts, number, history):
    """First its place in the tree, and then what it is by the entries before it."""
    data, index, part = entry["leaf"].encode(), entry["index"], parts[number]
    leaf_hash = tree.leaf_hash(data)
    check_inclusion(leaf_hash, index, [jws.b64url(one) for one in entry["proof"]], part.checkpoint)
    try:
        leaf = forms.leaf(data)
    except Unreadable as error:
        raise Fault("malformed-entry", f"it cannot be read: {error}") from None
    if index == 0:
        check_opening(leaf, parts, number)
    else:
        ends = leaf["t"] == "shard" and "closed" in leaf["event"] and index == part.size - 1 and part is not parts[-1]
        require(ends or leaf["t"] not in ("shard", "refusal", "query"), "malformed-entry",
                f"no {leaf['t']} belongs into a bundle, or not here")
    if leaf["t"] == "erasure":
        erased = history.place_of(leaf.get("log", part.origin), leaf["index"])
        require(erased in history.receivers, "malformed-entry", "it erases no message of the bundle")
    return leaf, history.take(index, leaf), leaf_hash


def check_message(message, place, shown, part, history):
    """Salt, body and receipt, as far as they are there, are those of the message's entry."""
    index, checkpoint = message["index"], part.checkpoint
    leaf, claims, leaf_hash = shown.get(place, ({"t": None}, None, None))
    require(leaf["t"] == "message", "missing-entries", "the message's entry is missing")
    check_body(claims, message)
    if "receipt" not in message:
        return
    receipt = read_statement(message["receipt"], "saphan-receipt+jws", "changed-receipt")
    compare_receipt(receipt, leaf, claims, leaf_hash, index, part.origin)
    # What root the receipt's tree had, the bundle shows only where that is the tree of the checkpoint.
    size, root = receipt.claims["size"], receipt.claims["root"]
    require(size > index and (size != checkpoint.size or root == jws.to_b64url(checkpoint.root)), "changed-receipt",
            "the receipt names a tree that is not that of this log")
    signer = history.registry.hub_keys.get(("receipts", receipt.kid))
    require(signer and signer.stood(place) and signer.key.signed(receipt), "changed-receipt",
            "the receipt is not signed by a key that the hub had for receipts at this place")
