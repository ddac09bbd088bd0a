//! Evidence bundles over three logs of a hub.

use saphan_schemas::leaf::Abandoned;
use saphan_schemas::log::NoteSigner;
use serde_json::Value;

use super::super::HOLDS;
use super::super::bundles::BrokenFile;
use super::super::real_log::RealLog;
use super::super::shards::{Stage, key_of, with_log};
use super::{message, over};

/// The log before and the one after the later one, whose key is here.
struct Three<'a> {
    stage: &'a Stage<'a>,
    third: &'a NoteSigner,
}

impl Three<'_> {
    /// The later log up to its end, for the third.
    fn ending(&self, opened: &[u8]) -> Vec<Vec<u8>> {
        let Self { stage, third } = self;
        vec![opened.to_vec(), message(stage), stage.changed(key_of(third)), stage.closed(third.name())]
    }

    fn opened(&self, next: &[Vec<u8>], abandoned: Option<Abandoned>) -> Vec<u8> {
        with_log(&self.stage.opened_after(self.checkpoint(next), abandoned), self.third)
    }

    /// Of entries of the later log.
    fn checkpoint(&self, next: &[Vec<u8>]) -> String {
        String::from_utf8(RealLog::signed_by(&[&self.stage.next], next)["checkpoint"].clone()).unwrap()
    }

    /// The later log was closed.
    fn closed(&self, old: &[Vec<u8>], next: &[Vec<u8>], more: &[Vec<u8>]) -> Value {
        let third = [&[self.opened(next, None)][..], more].concat();
        over(self.stage, old, &[(&self.stage.next, next), (self.third, &third)])
    }

    /// The later log was abandoned, and had two more messages, one of which is left.
    fn abandoned(&self, old: &[Vec<u8>], opened: &[u8], more: &[Vec<u8>]) -> Value {
        let stage = self.stage;
        let next = [opened.to_vec(), message(stage), message(stage)];
        let (kept, [_, operator]) = (&next[..2], &stage.log.operators);
        let key = Some(stage.entry_for(self.third, &**operator));
        let said = Abandoned { kept: self.checkpoint(kept), key };
        let third = [&[self.opened(&next, Some(said))][..], more].concat();
        over(stage, old, &[(&stage.next, kept), (self.third, &third)])
    }
}

/// Signs the log with such a shard.
pub(super) fn signer(stage: &Stage<'_>, shard: &str) -> NoteSigner {
    let (hub, _) = stage.log.origin.rsplit_once('/').unwrap();
    NoteSigner::from_pkcs8(&format!("{hub}/{shard}"), &NoteSigner::generate_pkcs8().unwrap()).unwrap()
}

/// Some of them were abandoned.
pub(super) fn bundles(stage: &Stage<'_>, third: &NoteSigner) -> Vec<BrokenFile> {
    let three = Three { stage, third };
    let closed = stage.old(&stage.prepared());
    let (left, followed) = (stage.opened_with(|_| {}), stage.opened(&closed));
    let good = three.closed(&stage.begun, &three.ending(&left), &[message(stage)]);
    let of_the_lost = stage.said(Some(stage.next.name()), 2);
    [
        ("closed twice", HOLDS, three.closed(&closed, &three.ending(&followed), &[message(stage)])),
        ("abandoned, and then closed", HOLDS, good.clone()),
        ("abandoned, and then closed, whose end is left out", "missing-entries", without_end(good)),
        ("closed, and then abandoned", HOLDS, three.abandoned(&closed, &followed, &[])),
        ("abandoned twice", HOLDS, three.abandoned(&stage.begun, &left, &[message(stage)])),
        ("abandoned twice, and what was lost is acknowledged", "false-acknowledgement", {
            three.abandoned(&stage.begun, &left, &[of_the_lost])
        }),
    ]
    .map(|(name, class, file)| BrokenFile { name, class, file })
    .into()
}

/// The third has the name of the first.
pub(super) fn come_again(stage: &Stage<'_>) -> Vec<BrokenFile> {
    let (_, shard) = stage.log.origin.rsplit_once('/').unwrap();
    let again = signer(stage, shard);
    let three = Three { stage, third: &again };
    let old = stage.old(&stage.prepared());
    let file = three.closed(&old, &three.ending(&stage.opened(&old)), &[]);
    [("a log that was there before", file.clone()), ("a log that was there before, after no end", without_end(file))]
        .map(|(name, file)| BrokenFile { name, class: "misplaced-entry", file })
        .into()
}

/// Without the last entry of the second log.
fn without_end(mut file: Value) -> Value {
    file["earlier"][1]["entries"].as_array_mut().unwrap().pop();
    file
}
