"""The Merkle tree (RFC 6962 section 2.1, RFC 9162 section 2.1.3.2), its tiles and entry bundles (C2SP tlog-tiles)."""
import hashlib

from faults import Unreadable

WIDTH = 256  # hashes in a full tile, entries in a full bundle


def leaf_hash(leaf):
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root(hashes):
    """RFC 6962 section 2.1, level by level: whatever has no neighbour on its right goes up as it is."""
    if not hashes:
        return hashlib.sha256().digest()
    while len(hashes) > 1:
        pairs = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes) - 1, 2)]
        hashes = pairs + hashes[len(pairs) * 2:]
    return hashes[0]


def joined(roots):
    """The root over complete trees, the largest first."""
    found = roots[-1]
    for left in roots[-2::-1]:
        found = node_hash(left, found)
    return found


def complete_subtrees(start, end):
    """The first entry and the height of each complete tree over these entries, the largest first."""
    while start < end:
        height = (end - start).bit_length() - 1
        yield start, height
        start += 1 << height


def consistency_ranges(old, size):
    """The entries below each hash of a consistency proof (RFC 6962 section 2.1.2, SUBPROOF); old is at least 1."""
    start, end, found = 0, size, []
    while old < end:
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        if old <= middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    return ([(start, end)] if start else []) + found[::-1]


def root_from_proof(leaf, index, size, path):
    """The root that a leaf hash and its inclusion proof lead to (RFC 9162 section 2.1.3.2)."""
    node, last, found = index, size - 1, leaf
    if index >= size:
        raise Unreadable(f"the tree of {size} entries has no entry {index}")
    for neighbour in path:
        if last == 0:
            raise Unreadable("the inclusion proof is too long")
        if node & 1 or node == last:
            found = node_hash(neighbour, found)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, neighbour)
        node, last = node >> 1, last >> 1
    if last:
        raise Unreadable("the inclusion proof is too short")
    return found


def is_grown(old, old_root, size, new_root, path):
    """Whether a consistency proof leads from one tree to a later one (RFC 9162 section 2.1.4.2)."""
    if not 0 < old <= size or old == size or not path:
        return old == size > 0 and not path and old_root == new_root
    path = path if old & (old - 1) else [old_root] + path
    node, last = old - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = path[0]
    for neighbour in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            first, second = node_hash(neighbour, first), node_hash(neighbour, second)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, neighbour)
        node, last = node >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def tile_name(level, number, width):
    """The path of a tile; the level of an entry bundle is "entries"."""
    digits = f"{number:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at:at + 3] for at in range(0, len(digits), 3)]
    path = "/".join(["x" + group for group in groups[:-1]] + groups[-1:])
    return f"tile/{level}/{path}" + ("" if width == WIDTH else f".p/{width}")


def split_bundle(data):
    """The entries of a bundle, each after its length in two bytes."""
    entries, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at:at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise Unreadable(f"ends within its entry number {len(entries)}")
        entries.append(data[at + 2:end])
        at = end
    return entries
