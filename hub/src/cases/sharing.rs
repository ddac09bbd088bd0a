//! Evidence that a case need not ask for: it was provided before, or another case has asked for it.
//!
//! At any time, evidence that a case waits for is asked for in some other case that is open. When it comes, all take it; when that
//! case gives up or ends, one of those that wait asks.

use std::collections::{HashMap, HashSet};
use std::mem;

use saphan_schemas::ids::{CaseId, MessageId};
use saphan_schemas::message_types::ProofSource;

use super::Pseudonym;
use super::case::Case;
use super::fold::Fold;
use super::moves::{Act, Say};
use super::requirement::{Candidate, Proven, Requirement, Seeking, Sought, State};
use crate::store::StoreError;
use crate::store::cases::{HeldEvidence, Seeker};

/// What is known of evidence that may be shared.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// What cases were after when they were read.
    before: HashMap<CaseId, Vec<(Sought, Seeking)>>,
    /// The people whose cases and evidence were looked up.
    known: HashSet<Pseudonym>,
    /// What all their cases are after, as it is stored.
    stored: Vec<Seeker>,
    /// The evidence about them that may be used again, the newest first.
    held: Vec<HeldEvidence>,
    /// Requests that are needed.
    needed: HashSet<MessageId>,
}

impl Sharing {
    pub(super) fn loaded(&mut self, case: &Case) {
        self.before.insert(case.id, case.seeks().collect());
    }

    /// What these cases are after, as far as it changed; and those of them of which something else is stored.
    pub(super) fn changes(&self, cases: &[Case]) -> (Vec<Seeker>, Vec<CaseId>) {
        let (mut seeking, mut again) = (Vec::new(), Vec::new());
        for case in cases {
            let (before, now) = (self.before.get(&case.id), case.seeks().collect::<Vec<_>>());
            if before.map_or(&[][..], |before| before) == now {
                continue;
            }
            again.extend(before.filter(|before| !before.is_empty()).map(|_| case.id));
            seeking.extend(now.into_iter().map(|(sought, how)| Seeker { case: case.id, sought, how }));
        }
        (seeking, again)
    }
}

impl Fold<'_> {
    /// Drops requests that are not needed, and lets those go on who waited for what came, or will not come.
    pub(super) async fn share(&mut self) -> Result<(), StoreError> {
        loop {
            self.look_up().await?;
            self.drop_requests();
            if !self.wake_those_who_wait().await? {
                return Ok(());
            }
        }
    }

    /// Reads what is known about the people of all cases that ask, or have asked, for evidence.
    async fn look_up(&mut self) -> Result<(), StoreError> {
        let cases = self.changed.iter().filter_map(|id| self.cases.get(id));
        let sought = |case: &Case| self.sharing.before.get(&case.id).is_some_and(|before| !before.is_empty());
        let asks = |case: &&Case| sought(case) || case.seeks().next().is_some();
        let people = cases.filter(asks).flat_map(|case| [case.people.applicant, case.people.person]);
        // Also when the case that was answered does not need it any more: others may.
        let people = people.chain(self.done.evidence.iter().map(|held| held.subject));
        let new: HashSet<Pseudonym> = people.filter(|person| !self.sharing.known.contains(person)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let new: Vec<Pseudonym> = new.into_iter().collect();
        self.sharing.stored.extend(self.store.seeking(&new).await?);
        self.sharing.held.extend(self.store.reusable(&new, self.now).await?);
        self.sharing.known.extend(new);
        Ok(())
    }

    fn drop_requests(&mut self) {
        let mut asked = self.asked();
        for (id, act) in mem::take(&mut self.acts) {
            let Some((case, at, sought)) = self.undecided(id, &act) else {
                self.acts.push_back((id, act));
                continue;
            };
            let requirement = &case.requirements[at];
            let alone = requirement.is_alone();
            if let Some((candidate, proof)) = self.held(case, requirement) {
                self.step(id, None, |case| case.use_again(at, candidate, proof));
            } else if asked.contains(&sought) && !alone {
                self.step(id, None, |case| case.wait(at));
            } else {
                asked.insert(sought);
                let was_asked = self.cases.get_mut(&id).is_some_and(|case| case.take_up(at));
                if !was_asked {
                    self.sharing.needed.insert(act.id);
                    self.acts.push_back((id, act));
                }
            }
        }
    }

    /// The case and the requirement of a request of which it is not decided yet whether it is needed.
    fn undecided(&self, id: CaseId, act: &Act) -> Option<(&Case, usize, Sought)> {
        let (Say::Request(at), case) = (&act.say, self.cases.get(&id)?) else { return None };
        let requirement = case.requirements.get(*at)?;
        let State::Requested { request, .. } = &requirement.state else { return None };
        let is_open = request.id == act.id && !case.has_ended() && !self.sharing.needed.contains(&act.id);
        is_open.then(|| (case, *at, case.sought(requirement, &request.candidate)))
    }

    /// What is asked for: in cases that were not read, and in those that were, by now.
    fn asked(&self) -> HashSet<Sought> {
        let undecided: HashSet<MessageId> =
            self.acts.iter().filter(|(id, act)| self.undecided(*id, act).is_some()).map(|(_, act)| act.id).collect();
        let of_case = |case: &Case| {
            let requested = case.requirements.iter().filter_map(|requirement| match &requirement.state {
                State::Requested { request, .. } if !undecided.contains(&request.id) => {
                    Some(case.sought(requirement, &request.candidate))
                }
                _ => None,
            });
            requested.collect::<Vec<_>>()
        };
        let here = self.cases.values().filter(|case| !case.has_ended()).flat_map(of_case);
        self.elsewhere(Seeking::Asking).map(|(_, sought)| sought.clone()).chain(here).collect()
    }

    /// What cases that were not read are after.
    fn elsewhere(&self, how: Seeking) -> impl Iterator<Item = (CaseId, &Sought)> {
        let stored = self.sharing.stored.iter();
        let elsewhere = stored.filter(move |seeker| seeker.how == how && !self.cases.contains_key(&seeker.case));
        elsewhere.map(|seeker| (seeker.case, &seeker.sought))
    }

    /// Evidence that proves a requirement, and the position of the candidate that provided it.
    fn held(&self, case: &Case, requirement: &Requirement) -> Option<(usize, Proven)> {
        // What was given up may have come for another case since.
        let (before, from) = requirement.candidates.split_at(requirement.at.min(requirement.candidates.len()));
        let from = from.iter().enumerate().map(|(place, candidate)| (requirement.at + place, candidate));
        let candidates = from.chain(before.iter().enumerate());
        let mut candidates = candidates.filter(|(position, _)| !requirement.unusable.contains(position));
        candidates.find_map(|(position, candidate)| {
            let held = self.evidence(&case.sought(requirement, candidate), candidate, case)?;
            Some((position, again(held, candidate)))
        })
    }

    /// The newest evidence of this kind that may be used again in a case; what came in this round first.
    fn evidence(&self, sought: &Sought, candidate: &Candidate, case: &Case) -> Option<&HeldEvidence> {
        let all = self.done.evidence.iter().rev().chain(&self.sharing.held);
        all.filter(|held| self.is_usable(held, candidate, case)).find(|held| held.is(sought))
    }

    fn is_usable(&self, held: &HeldEvidence, candidate: &Candidate, case: &Case) -> bool {
        let is_allowed = !candidate.needs_consent || case.consent.is_some();
        is_allowed && held.until > self.now && self.room.limits.takes(held.len, case)
    }

    /// Returns whether somebody goes on.
    async fn wake_those_who_wait(&mut self) -> Result<bool, StoreError> {
        // Whoever provided it: somebody else may be asked for the same by now.
        let came: HashSet<_> = self.done.evidence.iter().map(|held| (held.subject, &held.evidence_type)).collect();
        let has_come = |sought: &Sought| came.contains(&(sought.subject, &sought.evidence_type));
        let asked = self.asked();
        let loose = |(_, sought): &(CaseId, &Sought)| has_come(sought) || !asked.contains(sought);
        let waiting = self.elsewhere(Seeking::Waiting).filter(loose);
        // Who asked the same itself, because another had given up, need not wait for a second answer.
        let asking = self.elsewhere(Seeking::Asking).filter(|(_, sought)| has_come(sought));
        let concerned: Vec<CaseId> = waiting.chain(asking).map(|(id, _)| id).collect();
        self.load_cases(concerned).await?;
        let (mut taken_over, mut moved) = (HashSet::new(), false);
        for Open { case, at, sought, seeking } in self.cases.values().flat_map(open).collect::<Vec<_>>() {
            if let Some((candidate, proof)) = self.came(case, at) {
                self.step(case, None, |case| case.use_again(at, candidate, proof));
            } else if seeking == Seeking::Waiting && !asked.contains(&sought) && taken_over.insert(sought) {
                let turn = self.turn(self.now);
                self.step(case, None, |case| case.wait_no_more(at, turn));
            } else {
                continue;
            }
            moved = true;
        }
        Ok(moved)
    }

    /// What came in this round and proves a requirement that is open, with the position of the candidate that provided it.
    fn came(&self, case: CaseId, at: usize) -> Option<(usize, Proven)> {
        let case = self.cases.get(&case)?;
        let requirement = case.requirements.get(at)?;
        let candidates = requirement.candidates.iter().enumerate();
        let candidates = candidates.filter(|(position, _)| !requirement.unusable.contains(position));
        self.done.evidence.iter().rev().find_map(|held| {
            let (position, candidate) = candidates.clone().find(|(_, candidate)| {
                held.is(&case.sought(requirement, candidate)) && self.is_usable(held, candidate, case)
            })?;
            Some((position, again(held, candidate)))
        })
    }
}

/// A requirement that is asked for, or waits for what another case has asked for.
struct Open {
    case: CaseId,
    at: usize,
    sought: Sought,
    seeking: Seeking,
}

fn open(case: &Case) -> Vec<Open> {
    let requirements = case.requirements.iter().enumerate().filter(|_| !case.has_ended());
    let open = requirements.filter_map(|(at, requirement)| {
        let (candidate, seeking) = requirement.seeks()?;
        Some(Open { case: case.id, at, sought: case.sought(requirement, candidate), seeking })
    });
    open.collect()
}

/// Evidence of an earlier case, for another one.
fn again(held: &HeldEvidence, candidate: &Candidate) -> Proven {
    Proven {
        index: held.index,
        id: held.id,
        evidence_type: Some(held.evidence_type.clone()),
        provider: held.provider.clone(),
        source: ProofSource::Reused,
        needs_consent: candidate.needs_consent,
    }
}
