//! Whatever is asked, a search finds what a plain scan of the log finds.

use std::collections::HashMap;

use saphan_hub::audit::{self, Fate, Filter, RowLimit, Search};
use saphan_schemas::acknowledgement::{Outcome, UnverifiedAcknowledgement};
use saphan_schemas::envelope::{EnvelopeClaims, UnverifiedEnvelope};
use saphan_schemas::facts::EntryKind;
use saphan_schemas::ids::CaseId;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::registry::UnverifiedRegistryEntry;

use super::Hall;
use crate::harness::{LogCopy, NOW};

/// What a scan knows of an entry.
struct Seen {
    at: u64,
    kind: EntryKind,
    from: Option<String>,
    message: Option<EnvelopeClaims>,
    fate: Option<Fate>,
    code: Option<String>,
}

fn scan(log: &LogCopy) -> Vec<Seen> {
    let mut seen: Vec<Seen> = log.leaves.iter().map(read).collect();
    for leaf in &log.leaves {
        let Leaf::Acknowledgement { acknowledgement, .. } = leaf else { continue };
        let batch = UnverifiedAcknowledgement::parse(acknowledgement).unwrap();
        for said in &batch.claims().messages {
            let message = &mut seen[usize::try_from(said.index).unwrap()];
            message.fate = Some(match said.outcome {
                Outcome::Processed => Fate::Processed,
                Outcome::Rejected => Fate::Rejected,
            });
            message.code = said.code.as_ref().map(ToString::to_string);
        }
    }
    seen
}

fn read(leaf: &Leaf) -> Seen {
    let plain = |kind| Seen { at: leaf.ts(), kind, from: None, message: None, fate: None, code: None };
    match leaf {
        Leaf::Message { envelope, .. } => {
            let claims = UnverifiedEnvelope::parse(envelope).unwrap().claims().clone();
            let (from, fate) = (Some(claims.iss.to_string()), Some(Fate::Unacknowledged));
            Seen { from, message: Some(claims), fate, ..plain(EntryKind::Message) }
        }
        Leaf::Refusal { code, .. } => Seen { code: Some(code.to_string()), ..plain(EntryKind::Refusal) },
        Leaf::Acknowledgement { acknowledgement, .. } => {
            let batch = UnverifiedAcknowledgement::parse(acknowledgement).unwrap();
            Seen { from: Some(batch.claims().iss.to_string()), ..plain(EntryKind::Acknowledgement) }
        }
        Leaf::Registry { entry, .. } => {
            let entry = UnverifiedRegistryEntry::parse(entry).unwrap();
            Seen { from: Some(entry.claims().iss.clone()), ..plain(EntryKind::Registry) }
        }
        Leaf::Query { auditor, .. } => Seen { from: Some(auditor.to_string()), ..plain(EntryKind::Query) },
        Leaf::Erasure { basis, .. } => Seen { code: Some(basis.to_string()), ..plain(EntryKind::Erasure) },
        Leaf::Shard { .. } => plain(EntryKind::Shard),
    }
}

impl Seen {
    fn fits(&self, filter: &Filter) -> bool {
        let to = self.message.as_ref().map(|message| message.aud.to_string());
        let parties: Vec<&String> = self.from.iter().chain(&to).collect();
        let member = |member: &str| parties.iter().any(|party| party.split('/').next() == Some(member));
        let message = |wanted: &dyn Fn(&EnvelopeClaims) -> bool| self.message.as_ref().is_some_and(wanted);
        filter.member.as_ref().is_none_or(|name| member(name.as_str()))
            && filter.system.as_ref().is_none_or(|name| parties.iter().any(|party| *party == name.as_str()))
            && filter.from.as_ref().is_none_or(|name| self.from.as_deref() == Some(name.as_str()))
            && filter.to.as_ref().is_none_or(|name| to.as_deref() == Some(name.as_str()))
            && filter.message_type.as_ref().is_none_or(|name| message(&|claims| claims.message_type == *name))
            && filter.service.as_ref().is_none_or(|name| message(&|claims| claims.service.as_ref() == Some(name)))
            && filter.case.is_none_or(|case| message(&|claims| claims.case == Some(case)))
            && filter.kind.is_none_or(|kind| self.kind == kind)
            && filter.outcome.is_none_or(|fate| self.fate == Some(fate))
            && filter.code.as_ref().is_none_or(|code| self.code.as_deref() == Some(code.as_str()))
            && filter.since.is_none_or(|since| self.at >= since)
            && filter.until.is_none_or(|until| self.at < until)
    }
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// One of these, or none, which is likelier.
    fn pick<T: std::str::FromStr>(&mut self, texts: &[&str]) -> Option<T> {
        let at = usize::try_from(self.roll(3 * texts.len() as u64)).unwrap();
        texts.get(at).map(|text| text.parse().unwrap_or_else(|_| panic!("{text}")))
    }
}

fn filter(dice: &mut Dice, cases: &[CaseId]) -> Filter {
    let systems = ["th.dga/portal", "th.dlt/licensing", "th.dopa/archive", "th.oag/audit", "th.nowhere/x"];
    let case = usize::try_from(dice.roll(6 * cases.len() as u64)).unwrap();
    let time = |dice: &mut Dice| (dice.roll(3) == 0).then(|| (NOW + dice.roll(40)) * 1000);
    Filter {
        member: dice.pick(&["th.dga", "th.dlt", "th.dopa", "th.oag", "hub.local", "th"]),
        system: dice.pick(&systems),
        from: dice.pick(&systems),
        to: dice.pick(&systems),
        message_type: dice.pick(&["application.withdrawn", "application.submitted", "nothing"]),
        service: dice.pick(&["th.dlt.driving-licence-renewal", "th.dlt.number-plate-auction"]),
        case: cases.get(case).copied(),
        kind: dice.pick(&["message", "refusal", "acknowledgement", "registry", "erasure", "shard", "query"]),
        outcome: match dice.roll(9) {
            0 => Some(Fate::Unacknowledged),
            1 => Some(Fate::Processed),
            2 => Some(Fate::Rejected),
            _ => None,
        },
        code: dice.pick(&["not-ours", "agreement-missing", "pdpa-s33"]),
        since: time(dice),
        until: time(dice),
    }
}

#[tokio::test]
async fn a_search_finds_what_a_scan_of_the_log_finds_whatever_is_asked() {
    let hall = Hall::new().await;
    let mut dice = Dice(42);
    let cases: Vec<CaseId> = (0..12).map(|_| CaseId::new()).collect();
    let mut open = Vec::new();
    // More than a block: 256 entries.
    for round in 0..560 {
        let case = cases[usize::try_from(dice.roll(12)).unwrap()];
        match dice.roll(10) {
            0 => drop(hall.refused().await),
            1 => drop(hall.hub.accept(&hall.hub.world.message_to_archive()).await),
            2..=4 if !open.is_empty() => {
                let at = usize::try_from(dice.roll(open.len() as u64)).unwrap();
                let index = open.swap_remove(at);
                hall.settle(index, (dice.roll(4) == 0).then_some("not-ours")).await;
            }
            5 => drop(hall.search(serde_json::json!({})).await),
            _ => open.push(hall.hub.accept(&hall.message_in(case)).await),
        }
        if round % 12 == 0 {
            hall.hub.clock.advance(1);
        }
    }
    let log = LogCopy::fetch(&hall.hub).await;
    assert!(log.size() > 512, "{}", log.size());
    let seen = scan(&log);
    let asked = audit::ask(&hall.hub.app, &hall.auditor.id, "a test").await.unwrap();
    let mut sizes: HashMap<bool, u32> = HashMap::new();
    for _ in 0..600 {
        let filter = filter(&mut dice, &cases);
        let wanted: Vec<u64> =
            (0..log.size()).rev().filter(|place| seen[usize::try_from(*place).unwrap()].fits(&filter)).collect();
        let limit = RowLimit::try_from(u16::try_from(1 + dice.roll(120)).unwrap()).unwrap();
        let mut search = Search { filter, before: None, limit };
        let mut found = Vec::new();
        loop {
            let page = asked.search(&search).await.unwrap();
            assert!(page.rows.len() <= limit.rows());
            found.extend(page.rows.iter().map(|row| row.index));
            search.before = page.next;
            if page.next.is_none() {
                break;
            }
        }
        assert_eq!(found, wanted, "{:?}", search.filter);
        *sizes.entry(wanted.is_empty()).or_default() += 1;
    }
    assert!(sizes.values().all(|count| *count > 50), "both full and empty answers are compared: {sizes:?}");
}
