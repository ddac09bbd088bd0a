"""A whole log in static files (wire-contract.md, "The log"): every bundle, every tile, the root, and every leaf."""
from collections import Counter

import forms
import tree
from faults import Fault, Unreadable, Unusable, require
from history import History
from jws import to_b64url
from notes import LOG, Checkpoint, VerifierKey, signed_checkpoint


class Log:
    def __init__(self, folder, key, history=None):
        if key and not folder.is_dir():
            raise Unusable(f"{folder} is not a folder")
        self.folder, self.key = folder, key
        self.history = history or History(key.name.decode(), whole=True)
        self.levels = [[]]  # the hashes of each level of tiles; those of level 0 are leaf hashes
        self.shown = None  # how many entries it shows, where it was abandoned and not all of them count

    def check(self, older, policy):
        """Judges the log in its order, so that the first thing that is wrong is told; gives what it counted."""
        checkpoint = signed_checkpoint(self._read("checkpoint"), self.key)
        earlier = self._earlier(checkpoint)
        for log, last in earlier:
            self.history.origin = last.origin
            log._entries(last)
            self.history.begin(checkpoint.origin, last)
        self._entries(checkpoint)
        self.history.check_log_key(self.key, checkpoint.size)
        answer = {"origin": self.history.origin, "size": checkpoint.size, "root": to_b64url(checkpoint.root)}
        answer |= self.history.counts
        if earlier:
            answer["earlier"] = [last.origin for _, last in earlier]
        if self.history.abandoned:
            answer["abandoned"] = self.history.abandoned
        if older is not None:
            answer["grown_from"] = self._grown_from(older, "the older checkpoint").size
        if policy:
            cosigned = checkpoint
            try:
                names = policy.verify(cosigned)
            except Fault:
                if not (self.folder / "checkpoint.cosigned").exists():
                    raise
                cosigned = self._grown_from(self._read("checkpoint.cosigned"), "checkpoint.cosigned")
                names = policy.verify(cosigned)
            answer |= {"cosigned_size": cosigned.size, "cosigned_by": names}
        return answer

    def _entries(self, checkpoint):
        for first in range(0, checkpoint.size, tree.WIDTH):
            entries = self._bundle(first, min(tree.WIDTH, checkpoint.size - first))
            if first + tree.WIDTH >= checkpoint.size:
                self._compare_partial_tiles()
            for place, entry in enumerate(entries, first):
                self._judge(place, entry)
        require(tree.root(self.levels[0]) == checkpoint.root, "changed-checkpoint",
                "the entries do not lead to the root that is signed")

    def _compare_partial_tiles(self):
        for level, hashes in enumerate(self.levels[1:], 1):
            if len(hashes) % tree.WIDTH:
                self._compare_tile(level)

    def _earlier(self, checkpoint):
        """The hub's logs before this one, oldest first, each with its last checkpoint, as the one after it names it: of an
        abandoned one that of what is left of it."""
        found, log, opened, seen = [], self, self._opening(checkpoint), {checkpoint.origin}
        while "previous" in opened:
            abandoned = opened.get("abandoned")
            last = Checkpoint(opened["previous"].encode(), "the checkpoint of the log before")
            kept = Checkpoint(abandoned["kept"].encode(), "the checkpoint of what is left") if abandoned else None
            origin = (kept or last).origin
            _, slash, shard = origin.rpartition("/")
            require(slash and origin not in seen, "misplaced-entry", f"{origin} is no log of this hub, or was there before")
            require(forms.SHARD.fullmatch(shard), "malformed-entry", f"no log can have the name {origin}")
            folder = log.folder / ".." / shard
            seen.add(origin)
            log = Log(folder, None, self.history)
            shown = Checkpoint(log._read("checkpoint"), f"the checkpoint of {origin}")
            opened = log._opening(shown)
            log.shown = shown.size if abandoned else None
            if not opened:
                log._bundle(0, min(tree.WIDTH, shown.size))  # tells what was done to it, if its tile does
                raise Fault("misplaced-entry", f"{origin} does not begin with an entry that opens it", 0)
            signed = [last, kept] if abandoned else [last]
            first = log_keys([opened["log"]], origin)
            # The key that it began with may have ended since.
            good = all(any(one.is_signed_by(key) for key in first) for one in signed)
            keys = first if good else log._keys(origin, min(shown.size, kept.size) if abandoned else last.size, opened)
            require(all(any(one.is_signed_by(key) for key in keys) for one in signed), "changed-checkpoint",
                    f"the last checkpoint of {origin} is not signed by a key of it")
            require(any(shown.is_signed_by(key) for key in keys), "changed-checkpoint",
                    f"{origin} shows a checkpoint that is not signed by a key of it")
            if abandoned:
                log._check_what_is_left(shown, kept, last, keys)
            elif (shown.size, shown.root) != (last.size, last.root):
                raise Fault("rollback" if shown.size < last.size else "fork",
                            f"{origin} shows {shown.size} entries, and the next log began after {last.size}")
            found.append((log, kept or last))
        return found[::-1]

    def _check_what_is_left(self, shown, kept, lost, keys):
        """An abandoned log shows all that is left of it, and neither it nor its witnesses show more than the last checkpoint
        that the next log knows of. What it shows has grown from what is left."""
        name = shown.origin
        require(shown.size >= kept.size, "rollback", f"{name} shows {shown.size} entries, and {kept.size} are left")
        require(shown.size <= lost.size, "fork", f"{name} shows {shown.size} entries, and the next log knows of {lost.size}")
        cosigned = self._cosigned(keys)
        require(not cosigned or cosigned.size <= lost.size, "fork",
                f"more of {name} was cosigned than the {lost.size} entries that the next log knows of")
        for signed in filter(None, (shown, cosigned)):
            other = any(signed.size == one.size and signed.root != one.root for one in (kept, lost, shown))
            require(not other, "fork", f"{name} has another history of {signed.size} entries")
        if 0 < kept.size < shown.size:
            root = self._root(0, kept.size)
            proof = [self._root(*part) for part in tree.consistency_ranges(kept.size, shown.size)]
            require(tree.is_grown(kept.size, root, shown.size, shown.root, proof), "changed-tile",
                    f"the tiles of {name} do not lead to its root")
            require(root == kept.root, "fork", f"{name} has another history of what is left")

    def _cosigned(self, keys):
        """The checkpoint that witnesses cosigned, if it can be read and is one of this log."""
        try:
            cosigned = Checkpoint((self.folder / "checkpoint.cosigned").read_bytes())
        except (OSError, Fault):
            return None
        return cosigned if any(cosigned.is_signed_by(key) for key in keys) else None

    def _root(self, start, end):
        """The root of these entries, from the highest tiles that have it: others are not looked at."""
        roots = []
        for first, height in tree.complete_subtrees(start, end):
            level, within = divmod(height, 8)
            number, at = divmod(first >> 8 * level, tree.WIDTH)
            width = min(tree.WIDTH, (self.shown >> 8 * level) - number * tree.WIDTH)
            roots.append(tree.root(self._tile(level, number, width)[at:at + (1 << within)]))
        return tree.joined(roots)

    def _opening(self, checkpoint):
        """What the first entry says, if it can be read and has its hash. If not, the check of the entries tells."""
        width = min(tree.WIDTH, checkpoint.size)
        try:
            first = tree.split_bundle(self._read(tree.tile_name("entries", 0, width)))[0]
            leaf = forms.leaf(first)
        except (Unreadable, IndexError):
            return {}
        opened = leaf["event"].get("opened", {}) if leaf["t"] == "shard" else {}
        follows = opened and ("previous" in opened or self.key is None)  # a log before the one that is shown has no key
        if follows and self._tile(0, 0, width)[0] != tree.leaf_hash(first):
            return {}
        return opened

    def _keys(self, origin, size, opened):
        """Keys that a closed log can have had at its end. What its entries are worth is told when they are judged."""
        texts = [opened["log"]]
        for first in range(0, size, tree.WIDTH):
            width = min(tree.WIDTH, size - first)
            try:
                entries = tree.split_bundle(self._read(self._name("entries", first // tree.WIDTH, width)))
            except Unreadable:
                continue
            for data in self._first(entries, width):
                try:
                    leaf = forms.leaf(data)
                    if leaf["t"] == "registry":
                        change = forms.statement(leaf["entry"], "saphan-registry+jws").claims["change"]
                        texts += [change["entry"]["vkey"]] if "vkey" in change["entry"] else []
                except Unreadable:
                    continue
        return log_keys(texts, origin)

    def _read(self, name):
        try:
            return (self.folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise Fault("missing-file", f"{name} is missing") from None

    def _bundle(self, first, width):
        """The entries of a bundle, compared with their tile, as are the higher tiles that become full with them."""
        name, tile = (self._name(level, first // tree.WIDTH, width) for level in ("entries", 0))
        try:
            entries = self._first(tree.split_bundle(self._read(name)), width)
        except Unreadable as error:
            raise Fault("malformed-file", f"{name} {error}", first) from None
        found, shown = [tree.leaf_hash(entry) for entry in entries], self._tile(0, first // tree.WIDTH, width)
        if found != shown:
            raise unlike(found, shown, first, name, tile)
        self.levels[0] += found
        level = 0
        while len(self.levels[level]) % tree.WIDTH == 0:
            if level:
                self._compare_tile(level)
            level += 1
            if level == len(self.levels):
                self.levels.append([])
            self.levels[level].append(tree.root(self.levels[level - 1][-tree.WIDTH:]))
        return entries

    def _judge(self, place, entry):
        try:
            self.history.take(place, forms.leaf(entry))
        except Unreadable as error:
            raise Fault("malformed-entry", f"entry {place} cannot be read: {error}", place) from None
        except Fault as fault:
            raise Fault(fault.kind, f"entry {place}: {fault.what}", place) from None

    def _name(self, level, number, width):
        """The name of a tile, or of the larger one in its place."""
        if self.shown is not None:
            size = self.shown >> (0 if level == "entries" else 8 * level)
            width = max(width, min(tree.WIDTH, size - number * tree.WIDTH))
        return tree.tile_name(level, number, width)

    def _first(self, parts, width):
        return parts[:width] if self.shown is not None and width < tree.WIDTH else parts

    def _tile(self, level, number, width):
        name = self._name(level, number, width)
        data = self._read(name)
        parts = self._first([data[at:at + 32] for at in range(0, len(data), 32)], width)
        whole = [part for part in parts if len(part) == 32]
        require(len(parts) == len(whole) == width, "changed-tile", f"{name} has {len(data)} bytes, and {width} hashes are meant")
        return whole

    def _compare_tile(self, level):
        """The last tile of a level so far, full or partial, has the hashes that the entries give."""
        last = len(self.levels[level]) - 1
        width = last % tree.WIDTH + 1
        name = self._name(level, last // tree.WIDTH, width)
        require(self._tile(level, last // tree.WIDTH, width) == self.levels[level][-width:], "changed-tile",
                f"{name} does not have the hashes that the entries give")

    def _grown_from(self, data, name):
        """A checkpoint that the log showed another time. Any key that the log had at its size may have signed it."""
        before = Checkpoint(data, name)
        keys = [self.key] + [known.key for known in self.history.log_keys() if known.stood(self.history.first + before.size)]
        require(any(before.is_signed_by(key) for key in keys), "changed-checkpoint", f"{name} is not signed by the log")
        size = len(self.levels[0])
        require(before.size <= size, "rollback", f"{name} has {before.size} entries, and the log shows {size}")
        require(tree.root(self.levels[0][:before.size]) == before.root, "fork",
                f"{name} has another root than the log had at its {before.size} entries")
        return before


def log_keys(texts, origin):
    """The keys of the log of this name among these texts."""
    keys = []
    for text in texts:
        try:
            keys.append(VerifierKey(text.encode(), LOG))
        except Unreadable:
            continue
    return [key for key in keys if key.name.decode() == origin]


def unlike(found, shown, first, name, tile):
    """The fault of a bundle that does not have the hashes of its tile: the least that can have been done to it."""
    at = next((at for at, (one, other) in enumerate(zip(found, shown)) if one != other), min(len(found), len(shown)))
    many, meant = Counter(found), Counter(shown)
    if many == meant:
        kind, what = "reordered-entries", f"the entries of {name} stand in another order than in {tile}"
    elif any(count > max(1, meant[one]) for one, count in many.items()):
        kind, what = "duplicated-entries", f"an entry is in {name} more often than in {tile}"
    elif len(found) < len(shown) or at + 1 < len(shown) == len(found) and found[at:-1] == shown[at + 1:]:
        kind, what = "missing-entries", f"entry {first + at} of {tile} is missing in {name}"
    elif at == len(shown):
        kind, what = "malformed-file", f"{name} has {len(found)} entries in place of {len(shown)}"
    else:
        kind = "changed-leaf"
        what = f"entry {first + at} in {name} does not have the hash in {tile}: the entry or its hash was changed"
    return Fault(kind, what, first + at)
