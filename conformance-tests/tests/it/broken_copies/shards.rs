//! A real log that ends, and another one after it, made as no real hub makes them.

mod abandoned;

use std::path::Path;

use saphan_cli::log_check::FolderLog;
use saphan_schemas::acknowledgement::{Acknowledged, AcknowledgementClaims, Outcome};
use saphan_schemas::ids::MessageId;
use saphan_schemas::keys::Signer;
use saphan_schemas::leaf::{Abandoned, Leaf, ShardEvent};
use saphan_schemas::log::{NoteSigner, VerifierKey};
use saphan_schemas::registry::{Change, Entry, HubKey, RegistryClaims};

use super::real_log::{Files, RealLog, shard, sign};
use super::{Export, HOLDS, Verdicts, verdict, write};

/// Two logs as a hub could show them, and the class of what is wrong.
struct Pair {
    name: &'static str,
    class: &'static str,
    old: Files,
    new: Vec<Vec<u8>>,
}

/// What both logs are made of.
pub(super) struct Stage<'a> {
    pub(super) log: &'a RealLog,
    pub(super) next: NoteSigner,
    /// The first entries, before any key was rotated.
    pub(super) begun: Vec<Vec<u8>>,
    /// A message among them that nobody acknowledged, with its receiver.
    pub(super) message: u64,
}

impl<'a> Stage<'a> {
    /// The old log ends behind its first message.
    pub(super) fn new(log: &'a RealLog) -> Self {
        let (hub, _) = log.origin.rsplit_once('/').unwrap();
        let next = NoteSigner::from_pkcs8(&format!("{hub}/next"), &NoteSigner::generate_pkcs8().unwrap()).unwrap();
        let message = log.messages()[0];
        Self { log, next, begun: log.leaves[..=message].to_vec(), message: message as u64 }
    }

    pub(super) fn ts(&self) -> u64 {
        Leaf::parse(self.begun.last().unwrap()).unwrap().ts()
    }

    /// The key of the next log, registered by the operator that the old log began with.
    pub(super) fn prepared(&self) -> Vec<u8> {
        self.changed(key_of(&self.next))
    }

    /// A change that that operator makes.
    pub(super) fn changed(&self, change: Change) -> Vec<u8> {
        let [_, first] = &self.log.operators;
        Leaf::Registry { ts: self.ts(), entry: self.entry_of(change, &**first) }.to_bytes()
    }

    /// The entry that registers a log's key, signed with this one.
    pub(super) fn entry_for(&self, next: &NoteSigner, signer: &dyn Signer) -> String {
        self.entry_of(key_of(next), signer)
    }

    pub(super) fn entry_of(&self, change: Change, signer: &dyn Signer) -> String {
        let claims = RegistryClaims {
            iss: self.log.hub.to_string(),
            aud: self.log.hub.clone(),
            iat: self.ts() / 1000,
            jti: MessageId::new(),
            change,
            invitation: None,
        };
        sign(claims, signer)
    }

    pub(super) fn closed(&self, next: &str) -> Vec<u8> {
        Leaf::Shard { ts: self.ts(), event: ShardEvent::Closed { next: next.to_owned() } }.to_bytes()
    }

    /// The old log in good order.
    pub(super) fn old(&self, prepared: &[u8]) -> Vec<Vec<u8>> {
        [&self.begun[..], &[prepared.to_vec(), self.closed(self.next.name())]].concat()
    }

    /// The checkpoint of these entries.
    pub(super) fn checkpoint(&self, of: &[Vec<u8>]) -> String {
        String::from_utf8(self.log.signed(of)["checkpoint"].clone()).unwrap()
    }

    pub(super) fn opened(&self, previous: &[Vec<u8>]) -> Vec<u8> {
        self.opened_after(self.checkpoint(previous), None)
    }

    /// With this as the last checkpoint of the log before.
    pub(super) fn opened_after(&self, previous: String, abandoned: Option<Abandoned>) -> Vec<u8> {
        let abandoned = abandoned.map(Box::new);
        let Leaf::Shard { event: ShardEvent::Opened { hub, operator, receipts, .. }, .. } = self.log.leaf(0) else {
            panic!("the log is not opened")
        };
        let (origin, log) = (self.next.name().to_owned(), Box::new(self.next.verifier_key().clone()));
        let event = ShardEvent::Opened { origin, hub, operator, receipts, log, previous: Some(previous), abandoned };
        Leaf::Shard { ts: self.ts(), event }.to_bytes()
    }

    /// The receiver says that it processed this.
    pub(super) fn said(&self, log: Option<&str>, index: u64) -> Vec<u8> {
        let claims = AcknowledgementClaims {
            iss: self.log.receiver_id.clone(),
            aud: self.log.hub.clone(),
            jti: MessageId::new(),
            iat: self.ts() / 1000,
            log: log.map(ToOwned::to_owned),
            messages: vec![Acknowledged { index, outcome: Outcome::Processed, code: None }],
        };
        Leaf::Acknowledgement { ts: self.ts(), acknowledgement: sign(claims, &self.log.receiver) }.to_bytes()
    }

    pub(super) fn erased(&self, log: Option<&str>, index: u64) -> Vec<u8> {
        let (basis, log) = ("pdpa-s33".parse().unwrap(), log.map(ToOwned::to_owned));
        Leaf::Erasure { ts: self.ts(), index, basis, log }.to_bytes()
    }

    /// What both verifiers say of the newest log in a folder of logs.
    async fn verdicts(&self, folder: &Path, export: &Export) -> (String, String) {
        let newest = folder.join(shard(self.next.name()));
        let published = FolderLog::new(&newest);
        let other = ["log", newest.to_str().unwrap(), "--vkey", "next-vkey"];
        tokio::join!(verdict(&published, self.next.verifier_key()), export.other_verifier(&other))
    }

    fn pairs(&self) -> Vec<Pair> {
        let (log, prepared) = (self.log, self.prepared());
        let old = self.old(&prepared);
        let new = |more: &[Vec<u8>]| [&[self.opened(&old)][..], more].concat();
        let mut other = old.clone();
        other.swap(1, 2);
        let unprepared = [&self.begun[..], &[self.closed(self.next.name())]].concat();
        let elsewhere = log.origin.replace("/log/", "/log/x");
        let for_another = [&self.begun[..], &[prepared.clone(), self.closed(&elsewhere)]].concat();
        let open = [&self.begun[..], std::slice::from_ref(&prepared)].concat();
        let mut of_another = old.clone();
        of_another[0] = with_hub(&old[0], "hub.else");
        let first = Some(&*log.origin);
        let pair = |name, class, old: &[Vec<u8>], new| Pair { name, class, old: log.signed(old), new };
        vec![
            pair("in good order", HOLDS, &old, new(&[])),
            pair("an old message, acknowledged and erased", HOLDS, &old, {
                new(&[self.said(first, self.message), self.erased(first, self.message)])
            }),
            pair("another last checkpoint", "fork", &old, vec![self.opened(&other)]),
            pair("a closed log that grew", "fork", &[&old[..], &old[1..2]].concat(), new(&[])),
            pair("a closed log that lost its end", "rollback", &open, new(&[])),
            pair("not closed", "misplaced-entry", &open, vec![self.opened(&open)]),
            pair("closed for another", "misplaced-entry", &for_another, vec![self.opened(&for_another)]),
            pair("a key that nobody registered", "unknown-key", &unprepared, vec![self.opened(&unprepared)]),
            pair("an acknowledgement in no log", "false-acknowledgement", &old, new(&[self.said(None, self.message)])),
            pair("an acknowledgement in this log", "false-acknowledgement", &old, {
                new(&[self.said(Some(self.next.name()), self.message)])
            }),
            pair("an acknowledgement behind the end", "false-acknowledgement", &old, {
                new(&[self.said(first, old.len() as u64)])
            }),
            pair("an erasure in this log", "false-erasure", &old, new(&[self.erased(None, self.message)])),
            pair("a later log of another hub", "malformed-entry", &old, vec![with_hub(&self.opened(&old), "hub.else")]),
            pair("a later log with the key of another", "malformed-entry", &old, {
                vec![with_key(&self.opened(&old), &log.vkey)]
            }),
            pair("an earlier log of another hub", "malformed-entry", &of_another, vec![self.opened(&of_another)]),
            pair("a message that was there before", "duplicated-entries", &old, {
                new(&[self.begun.last().unwrap().clone()])
            }),
        ]
    }
}

/// Both verifiers follow from one log to the next, and give each way in which they do not follow its name.
pub(super) async fn shards(log: &RealLog, export: &Export) {
    let stage = Stage::new(log);
    std::fs::write(export.path("next-vkey"), format!("{}\n", stage.next.verifier_key())).unwrap();
    let mut verdicts = Verdicts::default();
    let pairs = stage.pairs().into_iter().chain(stage.abandoned());
    let pairs = pairs.chain(stage.abandoned_and_cosigned()).chain(stage.abandoned_with_flipped_bits());
    for (at, Pair { name: what, class, old, new }) in pairs.enumerate() {
        let folder = export.path(&format!("shards-{at}"));
        let show = |log: &str, files: &Files| write(files, &folder.join(shard(log)));
        show(&log.origin, &old);
        show(stage.next.name(), &RealLog::signed_by(&[&stage.next], &new));
        let (own, other) = stage.verdicts(&folder, export).await;
        verdicts.note(what, class, &own, &other);
    }
    verdicts.agree("pairs of logs");
}

/// The registration of a log's key.
pub(super) fn key_of(log: &NoteSigner) -> Change {
    Change::Added(Entry::HubKey(HubKey::Log { vkey: log.verifier_key().clone() }))
}

/// The entry that opens a log, with another hub in it.
pub(super) fn with_hub(opened: &[u8], other: &str) -> Vec<u8> {
    changed(opened, |event| {
        let ShardEvent::Opened { hub, .. } = event else { panic!("it opens no log") };
        *hub = other.parse().unwrap();
    })
}

/// The entry that opens a log, as that of another one.
pub(super) fn with_log(opened: &[u8], other: &NoteSigner) -> Vec<u8> {
    changed(opened, |event| {
        let ShardEvent::Opened { origin, log, .. } = event else { panic!("it opens no log") };
        (*origin, **log) = (other.name().to_owned(), other.verifier_key().clone());
    })
}

/// The entry that opens a log, with another key in it.
pub(super) fn with_key(opened: &[u8], other: &VerifierKey) -> Vec<u8> {
    changed(opened, |event| {
        let ShardEvent::Opened { log, .. } = event else { panic!("it opens no log") };
        **log = other.clone();
    })
}

fn changed(opened: &[u8], change: impl FnOnce(&mut ShardEvent)) -> Vec<u8> {
    let Leaf::Shard { ts, mut event } = Leaf::parse(opened).unwrap() else { panic!("it opens no log") };
    change(&mut event);
    Leaf::Shard { ts, event }.to_bytes()
}
