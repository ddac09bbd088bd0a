"""What can be wrong. A fault is an answer about the thing that is checked; the other two are not answers."""


class Fault(Exception):
    """Something does not hold: its class (auditor-guide.md), an English sentence, and the entry, if it is about one."""

    def __init__(self, kind, what, entry=None):
        super().__init__(what)
        self.kind, self.what, self.entry = kind, what, entry


class Unreadable(Exception):
    """Something is not in the form that the contract gives it. Whoever reads it knows which class of fault that is."""


class Unusable(Exception):
    """A check cannot be made: an argument is wrong, or a file that is not part of what is checked is not there."""


def require(condition, kind, what):
    if not condition:
        raise Fault(kind, what)
