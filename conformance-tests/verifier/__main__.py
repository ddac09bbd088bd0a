"""Verifies messages, whole logs and evidence bundles of Saphan, by its documents alone and without any of its code.

  message EXPORT FILE... [--policy FILE]                      messages, by the keys in EXPORT/keys and EXPORT/log/vkey
  log LOG --vkey FILE [--older CHECKPOINT] [--policy FILE]    a whole log in static files; those of the hub before
                                                              it are in folders beside LOG, by the names of their shards
  bundle VKEY FILE... [--policy FILE] [--timestamp-authority PEM]
                                                              evidence bundles

With --json it prints one JSON object for each thing, else one line. Exit code: 0 everything holds, 1 something does
not, 2 something cannot be checked.
"""
import argparse
import json
import pathlib
import sys

import bundle
import message
import timestamps
from faults import Fault, Unreadable, Unusable
from log import Log
from notes import LOG, Policy, VerifierKey


def arguments():
    parser = argparse.ArgumentParser(prog="verifier", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, positional, options in (("message", ["export"], ["--policy"]), ("log", ["log"], ["--vkey", "--older", "--policy"]),
                                      ("bundle", ["vkey"], ["--policy", "--timestamp-authority"])):
        command = commands.add_parser(name)
        command.add_argument("--json", action="store_true")
        for one in positional:
            command.add_argument(one, type=pathlib.Path)
        for one in options:
            command.add_argument(one, type=pathlib.Path, required=one == "--vkey")
        if name != "log":
            command.add_argument("file", type=pathlib.Path, nargs="+")
    return parser.parse_args()


def usable(path, form):
    """A file that whoever asks trusts, in its form."""
    try:
        return form(path.read_bytes())
    except (OSError, Unreadable) as error:
        raise Unusable(f"{path}: {error}") from None


def log_key(path):
    return usable(path, lambda data: VerifierKey(data.removesuffix(b"\n"), LOG))


def checks(args):
    """Whatever is to be checked: its file, unless it is a log, and how."""
    policy = usable(args.policy, Policy) if args.policy else None
    if args.command == "message":
        key = log_key(args.export / "log" / "vkey")
        return [(file, lambda file=file: message.check(file, args.export, key, policy)) for file in args.file]
    key = log_key(args.vkey)
    if args.command == "bundle":
        pem = args.timestamp_authority
        trusted = usable(pem, timestamps.authorities) if pem else None
        return [(file, lambda file=file: bundle.check(file, key, policy, trusted)) for file in args.file]
    older = usable(args.older, bytes) if args.older else None
    return [(None, lambda: Log(args.log, key).check(older, policy))]


def answer_of(file, check):
    answer = {"file": str(file)} if file else {}
    try:
        return {**answer, "holds": True, **check()}
    except Fault as fault:
        return {**answer, "holds": False, "class": fault.kind, "entry": fault.entry, "what": fault.what}


def line(answer):
    name = answer.get("file", "the log")
    if not answer["holds"]:
        return f"{name}: does NOT hold: {answer['class']}: {answer['what']}"
    counts = [f"{key} {value}" for key, value in answer.items() if key not in ("file", "holds")]
    return f"{name}: holds; {', '.join(counts)}"


def main():
    sys.stdout.reconfigure(errors="backslashreplace")  # for names of files that the terminal cannot show
    args, codes = arguments(), {0}
    try:
        for file, check in checks(args):
            try:
                answer = answer_of(file, check)
            except (Unusable, OSError) as error:
                print(f"verifier: {error}", file=sys.stderr)
                codes.add(2)
                continue
            print(json.dumps(answer) if args.json else line(answer))
            codes.add(0 if answer["holds"] else 1)
    except Unusable as error:
        print(f"verifier: {error}", file=sys.stderr)
        codes.add(2)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
