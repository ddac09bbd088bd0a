//! What can be done to a log, by somebody who has its files and by somebody who has its keys too.

use saphan_schemas::acknowledgement::{Acknowledged, AcknowledgementClaims, Outcome};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::ids::{MessageId, SystemId};
use saphan_schemas::keys::{Signer, SigningKey};
use saphan_schemas::leaf::{Leaf, SchemaVersion, ShardEvent};
use saphan_schemas::log::{NoteSigner, decode_bundle, encode_bundle};
use saphan_schemas::registry::{Change, Entry, EntryId, Member, RegistryClaims, Role, System};

use super::real_log::{Files, REVOKED, RealLog, sign};
use super::shards::{with_hub, with_key};

/// A broken copy: what was done, and the class that a verifier must give.
pub(super) struct Broken {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) files: Files,
}

/// By somebody who has the files of a log, and no key.
pub(super) fn by_anybody(good: &Files) -> Vec<Broken> {
    let mut all = Vec::new();
    let mut broken = |name, class, change: &dyn Fn(&mut Files)| {
        let mut files = good.clone();
        change(&mut files);
        assert!(files != *good, "{name}");
        all.push(Broken { name, class, files });
    };
    let last = last_bundle(good);
    let bundle = |files: &mut Files, path: &str, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let bytes = files.get_mut(path).unwrap();
        let width = path.split_once(".p/").map_or(256, |(_, width)| width.parse().unwrap());
        let mut entries: Vec<Vec<u8>> = decode_bundle(bytes, width).unwrap().into_iter().map(<[u8]>::to_vec).collect();
        change(&mut entries);
        *bytes = encode_bundle(&entries).unwrap();
    };
    let flip = |files: &mut Files, path: &str, at: usize| files.get_mut(path).unwrap()[at] ^= 1;

    broken("an entry of a full bundle is changed", "changed-leaf", &|files| {
        // In its last entry: no other byte is known to be none of a length.
        flip(files, BUNDLE, good[BUNDLE].len() - 10);
    });
    broken("an entry of the last bundle is changed", "changed-leaf", &|files| flip(files, &last, 100));
    broken("an entry's length is changed", "malformed-file", &|files| flip(files, BUNDLE, 0));
    broken("a leaf hash is changed", "changed-leaf", &|files| flip(files, "tile/0/001", 40));
    broken("a hash of level 1 is changed", "changed-tile", &|files| flip(files, &partial(good, "tile/1/"), 40));
    broken("the last tile of leaf hashes is changed", "changed-leaf", &|files| {
        flip(files, &partial(good, "tile/0/"), 0)
    });
    broken("two entries change places", "reordered-entries", &|files| {
        bundle(files, BUNDLE, &|entries| entries.swap(7, 99));
    });
    broken("two entries of the last bundle change places", "reordered-entries", &|files| {
        bundle(files, &last, &|entries| entries.swap(0, 1));
    });
    broken("an entry takes another's place", "duplicated-entries", &|files| {
        bundle(files, BUNDLE, &|entries| entries[8] = entries[7].clone());
    });
    broken("an entry is left out, and one is made up", "missing-entries", &|files| {
        bundle(files, BUNDLE, &|entries| {
            entries.remove(50);
            entries.push(b"{}".to_vec());
        });
    });
    broken("a bundle ends too early", "missing-entries", &|files| {
        bundle(files, BUNDLE, &|entries| drop(entries.pop()));
    });
    broken("the last bundle ends too early", "missing-entries", &|files| {
        bundle(files, &last, &|entries| drop(entries.pop()));
    });
    broken("a bundle goes on too long", "malformed-file", &|files| {
        files.get_mut(BUNDLE).unwrap().extend(b"\0\x02{}");
    });
    broken("a tile is too short", "changed-tile", &|files| files.get_mut("tile/0/001").unwrap().truncate(100));
    broken("a tile is too long", "changed-tile", &|files| files.get_mut("tile/0/001").unwrap().push(0));
    for (name, path) in [
        ("a bundle is gone", BUNDLE.to_owned()),
        ("the last bundle is gone", last.clone()),
        ("a tile is gone", "tile/0/001".to_owned()),
        ("a tile of level 1 is gone", partial(good, "tile/1/")),
    ] {
        broken(name, "missing-file", &|files| drop(files.remove(&path)));
    }
    let line = |files: &mut Files, number: usize, change: &dyn Fn(&str) -> String| {
        let text = String::from_utf8(files["checkpoint"].clone()).unwrap();
        let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
        lines[number] = change(&lines[number]);
        files.insert("checkpoint".into(), lines.join("\n").into_bytes());
    };
    broken("the checkpoint is of another log", "changed-checkpoint", &|files| {
        line(files, 0, &|line| format!("{line}x"))
    });
    broken("the checkpoint has another size", "changed-checkpoint", &|files| {
        line(files, 1, &|line| (line.parse::<u64>().unwrap() - 1).to_string());
    });
    broken("the checkpoint has another root", "changed-checkpoint", &|files| line(files, 2, &other_character));
    broken("the checkpoint's signatures are changed", "changed-checkpoint", &|files| {
        let signatures = files["checkpoint"].iter().filter(|byte| **byte == b'\n').count() - 4;
        for number in 4..4 + signatures {
            line(files, number, &other_character);
        }
    });
    broken("the checkpoint is signed by nobody", "changed-checkpoint", &|files| {
        let text = String::from_utf8(files["checkpoint"].clone()).unwrap();
        let (note, _) = text.split_once("\n\n").unwrap();
        files.insert("checkpoint".into(), format!("{note}\n\n").into_bytes());
    });
    all
}

/// By somebody who has the keys of the log and signs another history: a dishonest hub.
pub(super) fn by_the_hub(log: &RealLog) -> Vec<Broken> {
    let mut all = Vec::new();
    let mut broken = |name, class, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut leaves = log.leaves.clone();
        change(&mut leaves);
        assert!(leaves != log.leaves, "{name}");
        all.push(Broken { name, class, files: log.signed(&leaves) });
    };
    let messages = log.messages();
    let (first, second) = (messages[3], messages[4]);
    let forged = |at: usize, change: &dyn Fn(&mut EnvelopeClaims), key: &dyn Signer| {
        let (mut claims, schema, ts) = log.message(at);
        change(&mut claims);
        Leaf::Message { ts, schema, envelope: sign(claims, key) }.to_bytes()
    };
    let new = SigningKey::generate().unwrap().0;
    broken("a message is signed with a key that nobody registered", "unknown-key", &|leaves| {
        leaves[first] = forged(first, &|_| {}, &new);
    });
    broken("a message is signed with the key of another system", "unknown-key", &|leaves| {
        leaves[first] = forged(first, &|_| {}, &log.receiver);
    });
    broken("a message's signature is another message's", "changed-envelope", &|leaves| {
        leaves[first] = with_signature_of(log, first, second);
    });
    broken("a message is for another hub", "wrong-hub", &|leaves| {
        leaves[first] = forged(first, &|claims| claims.hub = "hub.elsewhere".parse().unwrap(), &log.sender);
    });
    broken("a message is of a type that no agreement has", "not-allowed", &|leaves| {
        leaves[first] = forged(first, &|claims| claims.purpose = Some("something-else".parse().unwrap()), &log.sender);
    });
    broken("a message is logged twice", "duplicated-entries", &|leaves| {
        leaves.insert(first + 1, log.leaves[first].clone());
    });
    broken("a message is signed twice under one id", "duplicated-entries", &|leaves| {
        let (claims, ..) = log.message(first);
        leaves[second] = forged(second, &|other| other.jti = claims.jti, &log.sender);
    });
    broken("a leaf names another text of a schema", "wrong-schema", &|leaves| {
        let Leaf::Message { ts, schema, envelope } = log.leaf(first) else { panic!("a message") };
        let schema = SchemaVersion { sha256: Sha256Hash::of(b"another text"), ..schema };
        leaves[first] = Leaf::Message { ts, schema, envelope }.to_bytes();
    });
    broken("a leaf names another schema than its message", "wrong-schema", &|leaves| {
        let Leaf::Message { ts, schema, envelope } = log.leaf(first) else { panic!("a message") };
        let schema = SchemaVersion { id: "application.withdrawn@1".parse().unwrap(), ..schema };
        leaves[first] = Leaf::Message { ts, schema, envelope }.to_bytes();
    });
    broken("a message is sent by a system that may only look", "not-allowed", &|leaves| {
        let (claims, ..) = log.message(first);
        let ours = |change: &Change| matches!(change, Change::Added(Entry::System(one)) if one.id == claims.iss);
        let Change::Added(Entry::System(system)) = change_at(log, log.registry(ours)[0]) else { panic!("a system") };
        let system = Change::Changed(Entry::System(System { roles: [Role::Auditor].into(), ..system }));
        leaves.insert(first, at_the_time_of(log, first, &by_operator(log, system, &*log.operators[1])));
    });
    broken("a schema is revoked behind everybody's back", "wrong-schema", &|leaves| {
        let (_, schema, _) = log.message(first);
        let revoked = Change::Revoked(EntryId::Schema(schema.id));
        leaves.insert(first, at_the_time_of(log, first, &by_operator(log, revoked, &*log.operators[1])));
    });
    broken("a message is sent with a key that was revoked", "invalid-key", &|leaves| {
        let (system, key) = &log.revoked;
        leaves.push(at_the_end(log, &|claims| claims.iss = system.clone(), key));
    });
    broken("a message is sent under an agreement that was revoked", "not-allowed", &|leaves| {
        let agreements =
            log.registry(|change| matches!(change, Change::Added(Entry::Agreement(one)) if one.id.as_str() == REVOKED));
        let Change::Added(Entry::Agreement(agreement)) = change_at(log, agreements[0]) else { panic!("an agreement") };
        leaves.push(at_the_end(
            log,
            &|claims| {
                claims.aud = agreement.receiver.clone();
                claims.service = agreement.services.first().cloned();
                claims.purpose = agreement.purposes.first().cloned();
                claims.legal_basis = Some(agreement.legal_basis.clone());
            },
            &log.sender,
        ));
    });
    acknowledgements(log, &mut broken);
    registry(log, &mut broken);
    leaves(log, &mut broken);
    all
}

type Take<'a> = &'a mut dyn FnMut(&'static str, &'static str, &dyn Fn(&mut Vec<Vec<u8>>));

fn acknowledgements(log: &RealLog, broken: Take<'_>) {
    let messages = log.messages();
    let say = |iss: &saphan_schemas::ids::SystemId, key: &dyn Signer, index: usize, outcome: Outcome| {
        let code = (outcome == Outcome::Rejected).then(|| "not-ours".parse().unwrap());
        let said = Acknowledged { index: index as u64, outcome, code };
        let iat = log.last_ts() / 1000;
        let claims = AcknowledgementClaims {
            iss: iss.clone(),
            aud: log.hub.clone(),
            jti: MessageId::new(),
            iat,
            log: None,
            messages: vec![said],
        };
        Leaf::Acknowledgement { ts: log.last_ts(), acknowledgement: sign(claims, key) }.to_bytes()
    };
    let (sender_id, receiver_id) = (log.message(messages[0]).0.iss, &log.receiver_id);
    let done = Outcome::Processed;
    for (name, class, leaf) in [
        (
            "the sender acknowledges its own message",
            "false-acknowledgement",
            say(&sender_id, &log.sender, messages[0], done),
        ),
        ("what is no message is acknowledged", "false-acknowledgement", say(receiver_id, &log.receiver, 1, done)),
        (
            "what comes later is acknowledged",
            "false-acknowledgement",
            say(receiver_id, &log.receiver, log.leaves.len() + 5, done),
        ),
        (
            "a message that was processed is rejected",
            "false-acknowledgement",
            say(receiver_id, &log.receiver, messages[0], Outcome::Rejected),
        ),
        (
            "an acknowledgement is signed with another's key",
            "unknown-key",
            say(receiver_id, &log.sender, messages[0], done),
        ),
        ("a system asks that may not audit", "false-query", query(log, &sender_id)),
        ("nobody asks", "false-query", query(log, &"th.nobody/audit".parse().unwrap())),
        ("what is no message is erased", "false-erasure", erasure(log, 1)),
        ("what comes later is erased", "false-erasure", erasure(log, log.leaves.len() + 5)),
    ] {
        broken(name, class, &|leaves| leaves.push(leaf.clone()));
    }
    let batches = log.places(|leaf| matches!(leaf, Leaf::Acknowledgement { .. }));
    broken("an acknowledgement's signature is another's", "false-acknowledgement", &|leaves| {
        let (Leaf::Acknowledgement { ts, acknowledgement: one }, Leaf::Acknowledgement { acknowledgement: other, .. }) =
            (log.leaf(batches[0]), log.leaf(batches[1]))
        else {
            panic!("acknowledgements")
        };
        leaves[batches[0]] = Leaf::Acknowledgement { ts, acknowledgement: signed_as(&one, &other) }.to_bytes();
    });
    broken("a batch of acknowledgements is logged twice", "duplicated-entries", &|leaves| {
        leaves.insert(batches[0] + 1, log.leaves[batches[0]].clone());
    });
}

fn query(log: &RealLog, auditor: &SystemId) -> Vec<u8> {
    let commit = Sha256Hash::of(b"a question");
    Leaf::Query { ts: log.last_ts(), auditor: auditor.clone(), commit }.to_bytes()
}

fn erasure(log: &RealLog, index: usize) -> Vec<u8> {
    Leaf::Erasure { ts: log.last_ts(), index: index as u64, basis: "pdpa-s33".parse().unwrap(), log: None }.to_bytes()
}

fn registry(log: &RealLog, broken: Take<'_>) {
    let member = || {
        let name = "x".to_owned();
        Change::Added(Entry::Member(Member { id: "th.xyz".parse().unwrap(), name_th: name.clone(), name_en: name }))
    };
    let new = SigningKey::generate().unwrap().0;
    let systems = log.registry(|change| matches!(change, Change::Added(Entry::System(_))));
    let members = log.registry(|change| matches!(change, Change::Added(Entry::Member(_))));
    let signed = log.registry(|change| matches!(change, Change::Signed(_)));
    for (name, key) in [
        ("the registry is changed with a key that nobody knows", &new as &dyn Signer),
        ("the registry is changed with a key of the operator that was revoked", &*log.operators[1]),
        ("the registry is changed with a system's key in the operator's name", &log.sender),
    ] {
        broken(name, "false-registry-change", &|leaves| leaves.push(by_operator(log, member(), key)));
    }
    broken("a registry entry's signature is another's", "false-registry-change", &|leaves| {
        let (Leaf::Registry { ts, entry: one }, Leaf::Registry { entry: other, .. }) =
            (log.leaf(members[0]), log.leaf(members[1]))
        else {
            panic!("registry entries")
        };
        leaves[members[0]] = Leaf::Registry { ts, entry: signed_as(&one, &other) }.to_bytes();
    });
    broken("a registry entry is logged twice", "duplicated-entries", &|leaves| {
        leaves.insert(members[0] + 1, log.leaves[members[0]].clone());
    });
    broken("a system comes before its member", "false-registry-change", &|leaves| leaves.swap(members[0], systems[0]));
    broken("a member is added twice", "false-registry-change", &|leaves| {
        let change = change_at(log, members[0]);
        let again = by_operator(log, change, &*log.operators[1]);
        leaves.insert(members[0] + 1, at_the_time_of(log, members[0], &again));
    });
    broken("what does not exist is revoked", "false-registry-change", &|leaves| {
        leaves.push(by_operator(log, Change::Revoked(EntryId::Agreement("none".parse().unwrap())), &*log.operators[0]));
    });
    broken("somebody else signs an agreement", "false-registry-change", &|leaves| {
        let change = change_at(log, signed[0]);
        let (system, _) = &log.revoked;
        let leaf = registry_leaf(log, system.as_str(), change, &new);
        leaves.insert(signed[0], at_the_time_of(log, signed[0], &leaf));
    });
    broken("an agreement's signature is left out", "not-allowed", &|leaves| {
        let id = agreement_of_the_messages(log);
        let ours = |change: &Change| matches!(change, Change::Signed(one) if one.agreement.as_str() == id);
        leaves.remove(log.registry(ours)[0]);
    });
}

fn leaves(log: &RealLog, broken: Take<'_>) {
    let first = log.messages()[3];
    let text = String::from_utf8(log.leaves[first].clone()).unwrap();
    for (name, changed) in [
        ("an entry is no JSON", "hello".to_owned()),
        ("an entry is cut off", text[..text.len() - 1].to_owned()),
        ("an entry is of an unknown kind", text.replacen("\"message\"", "\"massage\"", 1)),
        ("an entry has one member more", text.replacen("{", "{\"x\":1,", 1)),
        ("an entry has a member twice", text.replacen("{", "{\"t\":\"message\",", 1)),
        ("an entry has a blank that the hub would not write", text.replacen(":", ": ", 1)),
        ("an entry's envelope is none", text.replace("eyJ", "***")),
    ] {
        broken(name, "malformed-entry", &|leaves| leaves[first] = changed.clone().into_bytes());
    }
    broken("an entry is earlier than the one before it", "misplaced-entry", &|leaves| {
        let Leaf::Message { ts, schema, envelope } = log.leaf(first) else { panic!("a message") };
        leaves[first] = Leaf::Message { ts: ts - 1_000_000, schema, envelope }.to_bytes();
    });
    broken("the log is opened a second time", "misplaced-entry", &|leaves| leaves.insert(first, log.leaves[0].clone()));
    broken("the log is of another hub", "malformed-entry", &|leaves| leaves[0] = with_hub(&leaves[0], "hub.else"));
    broken("the log begins with the key of another", "malformed-entry", &|leaves| {
        let other = NoteSigner::from_pkcs8(&format!("{}-next", log.origin), &NoteSigner::generate_pkcs8().unwrap());
        leaves[0] = with_key(&leaves[0], other.unwrap().verifier_key());
    });
    broken("the log begins with something else", "misplaced-entry", &|leaves| drop(leaves.remove(0)));
    broken("the log goes on after its end", "misplaced-entry", &|leaves| {
        let event = ShardEvent::Closed { next: format!("{}-next", log.origin) };
        let (_, _, ts) = log.message(first);
        leaves.insert(first, Leaf::Shard { ts, event }.to_bytes());
    });
}

/// A registry entry as if it had been logged when the leaf at this place was.
fn at_the_time_of(log: &RealLog, at: usize, leaf: &[u8]) -> Vec<u8> {
    let Leaf::Registry { entry, .. } = Leaf::parse(leaf).unwrap() else { panic!("a registry entry") };
    Leaf::Registry { ts: log.leaf(at).ts(), entry }.to_bytes()
}

/// A message of the sender, said again at the end of the log.
fn at_the_end(log: &RealLog, change: &dyn Fn(&mut EnvelopeClaims), key: &dyn Signer) -> Vec<u8> {
    let (mut claims, schema, _) = log.message(log.messages()[0]);
    claims.jti = MessageId::new();
    change(&mut claims);
    Leaf::Message { ts: log.last_ts(), schema, envelope: sign(claims, key) }.to_bytes()
}

fn by_operator(log: &RealLog, change: Change, key: &dyn Signer) -> Vec<u8> {
    registry_leaf(log, log.hub.as_str(), change, key)
}

fn registry_leaf(log: &RealLog, issuer: &str, change: Change, key: &dyn Signer) -> Vec<u8> {
    let iat = log.last_ts() / 1000;
    let claims = RegistryClaims {
        iss: issuer.to_owned(),
        aud: log.hub.clone(),
        iat,
        jti: MessageId::new(),
        change,
        invitation: None,
    };
    Leaf::Registry { ts: log.last_ts(), entry: sign(claims, key) }.to_bytes()
}

fn change_at(log: &RealLog, at: usize) -> Change {
    let Leaf::Registry { entry, .. } = log.leaf(at) else { panic!("{at} is no registry entry") };
    saphan_schemas::registry::UnverifiedRegistryEntry::parse(&entry).unwrap().claims().change.clone()
}

/// The id of the agreement that allows what the sender sends.
pub(super) fn agreement_of_the_messages(log: &RealLog) -> String {
    let (claims, ..) = log.message(log.messages()[0]);
    let fits = |change: &Change| {
        matches!(change, Change::Added(Entry::Agreement(one))
            if (&one.sender, &one.receiver) == (&claims.iss, &claims.aud) && one.types.contains(&claims.message_type))
    };
    let Change::Added(Entry::Agreement(agreement)) = change_at(log, log.registry(fits)[0]) else { panic!("it is one") };
    agreement.id.to_string()
}

pub(super) fn with_signature_of(log: &RealLog, at: usize, other: usize) -> Vec<u8> {
    let (Leaf::Message { ts, schema, envelope }, Leaf::Message { envelope: other, .. }) =
        (log.leaf(at), log.leaf(other))
    else {
        panic!("messages")
    };
    Leaf::Message { ts, schema, envelope: signed_as(&envelope, &other) }.to_bytes()
}

/// A statement with another's signature.
pub(super) fn signed_as(one: &str, other: &str) -> String {
    let (said, _) = one.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    format!("{said}.{signature}")
}

pub(super) fn other_character(line: &str) -> String {
    // In the middle of its base64, where every bit counts.
    let at = line.len() - 10;
    let other = if line.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &line[..at], &line[at + 1..])
}

fn last_bundle(files: &Files) -> String {
    partial(files, "tile/entries/")
}

/// The partial file with this beginning.
pub(super) fn partial(files: &Files, beginning: &str) -> String {
    let found = files.keys().find(|path| path.starts_with(beginning) && path.contains(".p/"));
    found.expect("the log does not end with a full tile").clone()
}

const BUNDLE: &str = "tile/entries/001";
