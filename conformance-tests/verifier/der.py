"""DER (X.690), as far as timestamps and certificates need it, and as strict: one way to write each value."""
from faults import Unreadable

INTEGER, OCTETS, OID, TIME, SEQUENCE, SET = 0x02, 0x04, 0x06, 0x18, 0x30, 0x31
BOOLEAN, NULL = 0x01, b"\x05\x00"
# The types that are there in DER today, with the one form that each has.
UNIVERSAL = {BOOLEAN, INTEGER, 0x03, OCTETS, 0x05, OID, 0x09, 0x0A, 0x0C, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, TIME, 0x1A,
             0x1E, SEQUENCE, SET}


class Value:
    """One value: its tag, its content, and both with the length as they were written."""

    def __init__(self, data, at=0):
        head = data[at:at + 2]
        if len(head) < 2 or head[0] & 0x1F == 0x1F or head[0] < 0x40 and head[0] not in UNIVERSAL:
            raise Unreadable("not DER")
        self.tag, length, begin = head[0], head[1], at + 2
        if length >= 0x80:
            begin += length & 0x7F
            length = int.from_bytes(data[at + 2:begin], "big")
            if not 1 <= head[1] & 0x7F <= 4 or length < 0x80 or data[at + 2] == 0:
                raise Unreadable("a length is not written in the shortest form")
        self.end = begin + length
        if self.end > len(data):
            raise Unreadable("a value ends too early")
        self.content, self.whole = data[begin:self.end], data[at:self.end]

    def expect(self, tag):
        if self.tag != tag:
            raise Unreadable(f"a value has the tag {self.tag:#04x} in place of {tag:#04x}")
        return self

    def members(self, tag):
        """The values in this one, which has the tag."""
        self.expect(tag)
        found, at = [], 0
        while at < len(self.content):
            found.append(Value(self.content, at))
            at = found[-1].end
        return found

    def integer(self):
        content = self.expect(INTEGER).content
        if not content or len(content) > 1 and (content[0], content[1] >> 7) in ((0, 0), (0xFF, 1)):
            raise Unreadable("a number is not written in the shortest form")
        return int.from_bytes(content, "big", signed=True)

    def oid(self):
        """As text with dots."""
        arcs, arc = [], 0
        for byte in self.expect(OID).content:
            arc = arc << 7 | byte & 0x7F
            if byte < 0x80:
                arcs, arc = arcs + [arc], 0
        if not arcs or self.content[-1] >= 0x80:
            raise Unreadable("an object identifier ends too early")
        first = min(arcs[0] // 40, 2)
        return ".".join(map(str, [first, arcs[0] - 40 * first] + arcs[1:]))


def read(data):
    """A value with nothing behind it."""
    value = Value(data)
    if value.end != len(data):
        raise Unreadable("there is something behind the value")
    return value


class Members:
    """The members of a sequence, taken one after the other."""

    def __init__(self, value, tag=SEQUENCE):
        self.left = value.members(tag)

    def take(self, tag):
        if not self.left:
            raise Unreadable("a member is missing")
        return self.left.pop(0).expect(tag)

    def optional(self, tag):
        return self.left.pop(0) if self.left and self.left[0].tag == tag else None

    def end(self):
        if self.left:
            raise Unreadable("there are more members than the form has")
