"""An evidence bundle (evidence-bundle.md): some entries of a log with their proofs, judged as those of a whole log."""
import base64

import forms
import jws
import timestamps
import tree
from faults import Fault, Unreadable, require
from history import History
from message import check_body, check_inclusion, compare_receipt, read_json, read_statement
from notes import signed_checkpoint

ENTRY = forms.record({"index": forms.COUNT, "leaf": forms.string, "proof": forms.listed(forms.HASH)})
MESSAGE = forms.record({"index": forms.COUNT}, dict.fromkeys(("receipt", "salt", "body"), forms.string))
TIMESTAMP = forms.record({"size": forms.COUNT, "root": forms.HASH, "proof": forms.listed(forms.HASH),
                          "token": forms.string})
FILE = forms.record({"format": forms.one_of("saphan-evidence@1"), "checkpoint": forms.string,
                     "entries": forms.listed(ENTRY), "messages": forms.listed(MESSAGE)},
                    {"schemas": forms.listed(forms.string), "timestamps": forms.listed(TIMESTAMP)})


def check(path, key, policy, trusted):
    """The steps of "How it is verified"."""
    file = read_json(path, FILE, "an evidence bundle")
    entries, messages = file["entries"], file["messages"]
    checkpoint = signed_checkpoint(file["checkpoint"].encode(), key)
    for places in (entries, messages):
        for one, after in zip(places, places[1:]):
            if one["index"] >= after["index"]:
                raise Fault("reordered-entries", f"{after['index']} stands after {one['index']}", after["index"])
    require(entries and entries[0]["index"] == 0, "missing-entries", "entry 0, which opens the log, is missing")
    require(messages, "missing-entries", "the bundle proves no message")
    history, shown = History(key.name.decode(), whole=False), {}
    for entry in entries:
        shown[entry["index"]] = of_entry(entry["index"], check_entry, entry, checkpoint, history)
    history.check_log_key(key, checkpoint.size)
    for message in messages:
        of_entry(message["index"], check_message, message, shown, checkpoint, history)
    hashes = {shown[message["index"]][0]["schema"]["sha256"] for message in messages}
    require(all(jws.sha256(text.encode()) in hashes for text in file.get("schemas", [])), "wrong-schema",
            "a text is not that of a schema that one of the messages names")
    answer = {"origin": history.origin, "size": checkpoint.size, "entries": len(entries), "messages": len(messages)}
    tokens = list(stamped(file.get("timestamps", []), messages, checkpoint))
    if policy:
        answer["cosigned_by"] = policy.verify(checkpoint)
    if trusted:
        answer["timestamps"] = [{"size": size, **timestamps.check(token, text, trusted, last_covered(shown, size))}
                                for size, text, token in tokens]
    return answer


def stamped(all_of_them, messages, checkpoint):
    """The sizes, the texts and the tokens of the timestamps of this log, which has grown from each of their trees."""
    before = min(message["index"] for message in messages)
    for one in all_of_them:
        size, root = one["size"], jws.b64url(one["root"])
        require(size > before, "other-timestamp", f"the timestamp for {size} entries is of no use, or not in order")
        before = size
        proof = [jws.b64url(node) for node in one["proof"]]
        require(tree.is_grown(size, root, checkpoint.size, checkpoint.root, proof), "other-timestamp",
                f"the checkpoint has not grown from the {size} entries of a timestamp")
        try:
            token = jws.b64(one["token"])
        except Unreadable as error:
            raise Fault("malformed-timestamp", f"a token is {error}") from None
        yield size, f"{checkpoint.origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode(), token


def last_covered(shown, size):
    """When the last entry of the bundle that is in a tree was logged, in seconds since 1970."""
    return shown[max(index for index in shown if index < size)][0]["ts"] // 1000


def of_entry(index, check_it, *arguments):
    try:
        return check_it(*arguments)
    except Fault as fault:
        raise Fault(fault.kind, f"entry {index}: {fault.what}", index) from None


def check_entry(entry, checkpoint, history):
    """First its place in the tree, and then what it is by the entries before it."""
    data = entry["leaf"].encode()
    leaf_hash = tree.leaf_hash(data)
    check_inclusion(leaf_hash, entry["index"], [jws.b64url(one) for one in entry["proof"]], checkpoint)
    try:
        leaf = forms.leaf(data)
    except Unreadable as error:
        raise Fault("malformed-entry", f"it cannot be read: {error}") from None
    if entry["index"] == 0:
        opened = leaf["t"] == "shard" and leaf["event"].get("opened")
        require(opened and opened["origin"] == history.origin and "previous" not in opened, "missing-entries",
                "it does not open this log, or not as the hub's first")
    else:
        require(leaf["t"] not in ("shard", "refusal", "query"), "malformed-entry", f"no {leaf['t']} belongs into a bundle")
    if leaf["t"] == "erasure":
        require("log" not in leaf and leaf["index"] in history.receivers, "malformed-entry", "it erases no message of the bundle")
    return leaf, history.take(entry["index"], leaf), leaf_hash


def check_message(message, shown, checkpoint, history):
    """Salt, body and receipt, as far as they are there, are those of the message's entry."""
    index = message["index"]
    leaf, claims, leaf_hash = shown.get(index, ({"t": None}, None, None))
    require(leaf["t"] == "message", "missing-entries", "the message's entry is missing")
    check_body(claims, message)
    if "receipt" not in message:
        return
    receipt = read_statement(message["receipt"], "saphan-receipt+jws", "changed-receipt")
    compare_receipt(receipt, leaf, claims, leaf_hash, index, history.origin)
    # What root the receipt's tree had, the bundle shows only where that is the tree of the checkpoint.
    size, root = receipt.claims["size"], receipt.claims["root"]
    require(size > index and (size != checkpoint.size or root == jws.to_b64url(checkpoint.root)), "changed-receipt",
            "the receipt names a tree that is not that of this log")
    signer = history.registry.hub_keys.get(("receipts", receipt.kid))
    require(signer and signer.stood(index) and signer.key.signed(receipt), "changed-receipt",
            "the receipt is not signed by a key that the hub had for receipts at this place")
