//! From some entries of the log to what follows from them for cases, consents and the people they are about.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use saphan_schemas::acknowledgement::{Acknowledged, Outcome};
use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::ids::{CaseId, Code, MessageId};
use saphan_schemas::json;
use saphan_schemas::jws::SignError;
use saphan_schemas::leaf::split_message;
use saphan_schemas::message_types::SignedCopy;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::RegistryState;
use serde::de::DeserializeOwned;

use super::case::{Case, Handover};
use super::letters::{Letter, LetterError, Sources, needs};
use super::moves::{Act, Moves, Say, Turn};
use super::plan::Planner;
use super::reading::{Entry, Says};
use super::sharing::Sharing;
use super::{CaseLimits, Cases, Pseudonym};
use crate::shards::Located;
use crate::store::StoreError;
use crate::store::cases::{CaseEvent, CaseStore, Consequences, Content, DataUse};

/// What follows, and the letters that must be written for it.
#[derive(Debug, Default)]
pub(super) struct Folded {
    pub(super) consequences: Consequences,
    pub(super) letters: Vec<Letter>,
    /// How many of the hub's own messages their receivers rejected.
    pub(super) rejected: u64,
    /// How many could not be written.
    pub(super) unwritten: u64,
}

/// Why some entries cannot be followed now.
#[derive(Debug, thiserror::Error)]
pub(super) enum FoldError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Letter(#[from] LetterError),
}

/// A letter that the hub itself refused, and why.
#[derive(Debug, Clone)]
pub(super) struct NotSent {
    pub(super) id: MessageId,
    /// Where the log says so; it says nothing of what is damaged in the store.
    pub(super) index: Option<u64>,
    pub(super) what: Unsent,
}

/// What a refused letter said.
#[derive(Debug, Clone)]
pub(super) enum Unsent {
    Message { case: CaseId, code: Code },
    Acknowledged(Vec<Acknowledged>),
}

/// The work on some entries.
pub(super) struct Fold<'a> {
    pub(super) room: &'a Cases,
    pub(super) store: &'a dyn CaseStore,
    pub(super) registry: &'a RegistryState,
    pub(super) catalogue: &'a Catalogue,
    pub(super) contents: HashMap<u64, Content>,
    pub(super) cases: BTreeMap<CaseId, Case>,
    pub(super) done: Consequences,
    pub(super) acts: VecDeque<(CaseId, Act)>,
    pub(super) sharing: Sharing,
    answers: Vec<Acknowledged>,
    rejected: u64,
    unwritten: u64,
    /// The entry that moved each case last.
    causes: HashMap<CaseId, u64>,
    pub(super) changed: BTreeSet<CaseId>,
    /// The time of the last entry, in milliseconds since 1970.
    pub(super) now: u64,
    /// See [`Turn::not_late_before`].
    not_late_before: u64,
}

impl<'a> Fold<'a> {
    pub(super) fn new(
        room: &'a Cases,
        store: &'a dyn CaseStore,
        registry: &'a RegistryState,
        catalogue: &'a Catalogue,
        now: u64,
        not_late_before: u64,
    ) -> Self {
        Self {
            room,
            store,
            registry,
            catalogue,
            contents: HashMap::new(),
            cases: BTreeMap::new(),
            done: Consequences::default(),
            acts: VecDeque::new(),
            sharing: Sharing::default(),
            answers: Vec::new(),
            rejected: 0,
            unwritten: 0,
            causes: HashMap::new(),
            changed: BTreeSet::new(),
            now,
            not_late_before,
        }
    }

    /// Reads the cases and the bodies that these entries need.
    pub(super) async fn load(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let mut ids = BTreeSet::new();
        let mut bodies = Vec::new();
        for entry in entries {
            if let Says::Message { claims, .. } = &entry.says {
                ids.extend(claims.case);
            }
            if entry.body_needed(&self.room.desk.own) > 0 {
                bodies.push(entry.index);
            }
        }
        self.load_cases(ids).await?;
        self.load_contents(&bodies).await
    }

    pub(super) async fn load_cases(&mut self, ids: impl IntoIterator<Item = CaseId>) -> Result<(), StoreError> {
        let ids: Vec<_> = ids.into_iter().filter(|id| !self.cases.contains_key(id)).collect();
        if !ids.is_empty() {
            for case in self.store.cases(&ids).await? {
                self.sharing.loaded(&case);
                self.cases.insert(case.id, case);
            }
        }
        Ok(())
    }

    async fn load_contents(&mut self, indices: &[u64]) -> Result<(), StoreError> {
        let indices: Vec<_> = indices.iter().copied().filter(|index| !self.contents.contains_key(index)).collect();
        if !indices.is_empty() {
            let contents = self.store.contents(&indices).await?;
            self.contents.extend(contents.into_iter().map(|content| (content.index, content)));
        }
        Ok(())
    }

    /// Follows one entry.
    pub(super) async fn entry(&mut self, entry: &Entry) -> Result<(), FoldError> {
        self.now = self.now.max(entry.at);
        if let Some(id) = entry.own_id(&self.room.desk.own) {
            self.done.done_letters.push(id);
        }
        match &entry.says {
            Says::Message { claims, .. } => self.message(entry, claims).await,
            Says::Acknowledged { .. } => self.rejections(entry).await,
        }
    }

    /// A letter that the hub refused will never be in the log; its refusal is.
    pub(super) async fn not_sent(&mut self, refused: &NotSent) -> Result<(), FoldError> {
        self.done.done_letters.push(refused.id);
        match &refused.what {
            Unsent::Message { case: id, code } => {
                self.load_cases([*id]).await?;
                let turn = self.turn(self.now);
                self.step(*id, refused.index, |case| case.not_sent(refused.id, code, turn));
            }
            // Said again, in a letter that is signed with the key of today.
            Unsent::Acknowledged(messages) => self.answers.extend_from_slice(messages),
        }
        Ok(())
    }

    /// It may be time for something in these cases, at the moment `now` (ms).
    pub(super) async fn tick(&mut self, ids: Vec<CaseId>, now: u64) -> Result<(), StoreError> {
        self.load_cases(ids.iter().copied()).await?;
        let turn = self.turn(now);
        ids.into_iter().for_each(|id| self.step(id, None, |case| case.tick(turn)));
        Ok(())
    }

    async fn rejections(&mut self, entry: &Entry) -> Result<(), FoldError> {
        for rejected in entry.rejections() {
            let Some(code) = rejected.code.clone() else { continue };
            let found = self.store.follow_entries(rejected.index, 1).await?.pop();
            let Some(Entry { says: Says::Message { claims, .. }, .. }) =
                found.and_then(|found| super::reading::read(&found, &self.room.desk.shards))
            else {
                continue;
            };
            if let Some(id) = claims.case.filter(|_| claims.iss == self.room.desk.own) {
                self.load_cases([id]).await?;
                let (turn, said) = (self.turn(entry.at), &claims.message_type);
                let case = self.cases.get_mut(&id);
                let moves = case.and_then(|case| case.rejected(claims.jti, rejected.index, said, &code, turn));
                if let Some(moves) = moves {
                    self.rejected += 1;
                    self.moved(id, Some(entry.index), moves);
                }
            }
        }
        Ok(())
    }

    pub(super) fn turn(&self, now: u64) -> Turn {
        let CaseLimits { patience, answer_time, pause, .. } = self.room.limits;
        Turn { now, patience, answer_time, pause, not_late_before: self.not_late_before }
    }

    /// Moves a case, if there is one.
    pub(super) fn step(&mut self, id: CaseId, index: Option<u64>, step: impl FnOnce(&mut Case) -> Moves) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let moves = step(case);
        self.moved(id, index, moves);
    }

    pub(super) fn moved(&mut self, id: CaseId, index: Option<u64>, moves: Moves) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        self.causes.extend(index.map(|index| (id, index)));
        // What follows without an entry of its own follows from the one before.
        let index = index.or_else(|| self.causes.get(&id).copied());
        for what in moves.events {
            self.done.events.push((id, CaseEvent { seq: case.events, at: self.now, index, what }));
            case.events += 1;
        }
        self.acts.extend(moves.acts.into_iter().map(|act| (id, act)));
        self.changed.insert(id);
    }

    /// Answers a message to the hub's own system.
    pub(super) fn answer(&mut self, index: u64, answer: Result<(), ProblemCode>) {
        let code = answer.err().and_then(|code| code.to_code().ok());
        let outcome = if code.is_some() { Outcome::Rejected } else { Outcome::Processed };
        self.answers.push(Acknowledged { index, outcome, code });
    }

    pub(super) fn note_use(&mut self, subject: Pseudonym, one: DataUse) {
        self.done.uses.push((subject, one));
    }

    /// A body that must be there.
    ///
    /// # Errors
    /// What its message is rejected with: it is not here any more, or does not open, which is no fault of its sender; or it is not
    /// as it should be.
    pub(super) fn read<T: DeserializeOwned>(&self, index: u64) -> Result<T, ProblemCode> {
        let content = self.contents.get(&index).ok_or(ProblemCode::Internal)?;
        json::parse_typed(&content.body).map_err(|_| ProblemCode::SchemaViolation)
    }

    pub(super) fn body<T: DeserializeOwned>(&self, index: u64) -> Option<T> {
        json::parse_typed(&self.contents.get(&index)?.body).ok()
    }

    /// Writes the letters. Nothing of this is stored or sent before.
    pub(super) async fn finish(mut self, followed: Option<u64>) -> Result<Folded, FoldError> {
        let mut letters = Vec::new();
        loop {
            self.share().await?;
            if self.acts.is_empty() {
                break;
            }
            self.write_letters(&mut letters).await?;
        }
        letters.extend(self.room.desk.acknowledge(&self.answers, self.now)?);
        self.done.letters = letters.iter().map(|letter| letter.stored.clone()).collect();
        self.done.followed = followed;
        self.done.cases = self.changed.iter().filter_map(|id| self.cases.remove(id)).collect();
        (self.done.seeking, self.done.sought_before) = self.sharing.changes(&self.done.cases);
        Ok(Folded { consequences: self.done, letters, rejected: self.rejected, unwritten: self.unwritten })
    }

    async fn write_letters(&mut self, letters: &mut Vec<Letter>) -> Result<(), FoldError> {
        let acts = std::mem::take(&mut self.acts);
        let needed = |(id, act): &(CaseId, Act)| self.cases.get(id).map_or_else(Vec::new, |case| needs(case, act));
        let needed: Vec<u64> = acts.iter().flat_map(needed).collect();
        self.load_contents(&needed).await?;
        for (id, act) in acts {
            if act.is_to_the_authority() {
                self.find_authority(id);
            }
            if act.say == Say::HandOver && self.is_lost(id, &act) {
                continue;
            }
            if let Some(case) = self.cases.get_mut(&id).filter(|case| case.hands_over(act.id)) {
                case.note_parts();
            }
            let (Some(case), now) = (self.cases.get(&id), self.now) else { continue };
            let copies = self.copies(&needs(case, &act));
            let sources = Sources { registry: self.registry, catalogue: self.catalogue, copies: &copies, now };
            match self.room.desk.letter(case, &act, &sources) {
                Ok(Some(letter)) => letters.push(letter),
                Ok(None) => self.step(id, None, |case| case.not_written(act.id, now)),
                Err(error @ (LetterError::Sign(SignError::Key(_)) | LetterError::Salt(_))) => return Err(error.into()),
                // Another try would end the same, and hold up all other cases.
                Err(error) => {
                    tracing::error!(case = %id, error = &error as &dyn std::error::Error, "a letter cannot be written");
                    self.cannot_write(id, &act)?;
                }
            }
        }
        Ok(())
    }

    /// Whether something that would be handed over cannot be read any more, and is proven anew.
    fn is_lost(&mut self, id: CaseId, act: &Act) -> bool {
        let Some(case) = self.cases.get(&id).filter(|case| case.hands_over(act.id)) else { return false };
        let lost: Vec<u64> = case.parts().filter(|index| !self.contents.contains_key(index)).collect();
        // Without the application nothing can be proven.
        if lost.is_empty() || lost.contains(&case.application) {
            return false;
        }
        tracing::error!(case = %id, ?lost, "evidence of a case cannot be read any more; it is asked for again");
        let turn = self.turn(self.now);
        self.step(id, None, |case| case.lost(&lost, turn));
        self.cases.get(&id).is_some_and(|case| case.handover == Handover::Waiting)
    }

    /// The authority may have another system by now than when the case was opened.
    pub(super) fn find_authority(&mut self, id: CaseId) {
        let own = &self.room.desk.own;
        let planner = Planner { own, registry: self.registry, catalogue: self.catalogue, now: self.now / 1000 };
        let Some(case) = self.cases.get_mut(&id) else { return };
        if let Ok(Some(found)) = planner.authority(&case.service, case.purpose.as_ref())
            && found.member() == case.authority.member()
        {
            case.authority = found;
        }
    }

    fn cannot_write(&mut self, id: CaseId, act: &Act) -> Result<(), LetterError> {
        self.unwritten += 1;
        let code = ProblemCode::Internal.to_code()?;
        let turn = self.turn(self.now);
        self.step(id, None, |case| case.not_sent(act.id, &code, turn));
        Ok(())
    }

    /// The copies of messages at these places, by place. Whoever gets one knows logs, and no places.
    fn copies(&self, places: &[u64]) -> HashMap<u64, SignedCopy> {
        let shards = &self.room.desk.shards;
        let copy = |place: &u64| {
            let content = self.contents.get(place)?;
            let (_, envelope) = split_message(&content.leaf)?;
            let Located { log, index } = shards.located(*place);
            let log = (!shards.is_one()).then(|| log.to_owned());
            Some((*place, SignedCopy::new(log, index, envelope.to_owned(), &content.salt, &content.body)))
        };
        places.iter().filter_map(copy).collect()
    }
}
