//! Receipts that were kept, held against the log: where the two contradict each other, both are signed, and that is proof.

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::log::{ProofPlan, TILE_WIDTH, TileContent, TilePath, decode_bundle};
use saphan_schemas::receipt::{Receipt, UnverifiedReceipt};
use saphan_schemas::registry::{RegistryState, Revocation};
use serde::Serialize;

use crate::log_check::hashes::Hashes;
use crate::log_check::{AbandonedLog, LogCheckError, LogReport, LogSource, fetch_tile};

/// What a log says about a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// The entry is where the receipt says, and the log was what it says then.
    Agrees {
        /// The place of the entry.
        index: u64,
    },
    /// One of the two is false, and both are signed by the hub.
    Contradicts(Box<Contradiction>),
    /// It says nothing against the log.
    NotOfThisHub(NotOfThisHub),
}

/// Why a receipt counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOfThisHub {
    /// Not a receipt.
    #[error("it is not a receipt")]
    Unreadable,
    /// Of another log.
    #[error("it is a receipt of another log")]
    OtherLog,
    /// Signed with a key that was never the hub's, or not any more at its place.
    #[error("it is not signed with a key that the hub had at its place")]
    Key,
}

/// A receipt and a signed checkpoint that exclude each other, for whoever has the log's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contradiction {
    /// Which.
    pub class: ContradictionClass,
    /// The hub's receipt, a compact JWS.
    pub receipt: String,
    /// The log's signed checkpoint.
    pub checkpoint: String,
    /// The entry that stands where the receipt says another one does, and its inclusion proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_entry: Option<OtherEntry>,
    /// The root that the log had at the receipt's size, and the consistency proof from there to the checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_root: Option<OtherRoot>,
}

/// What contradicts a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContradictionClass {
    /// The log has fewer entries than the receipt says.
    ReceiptWithoutEntry,
    /// At the receipt's place stands another entry.
    OtherEntry,
    /// When the log had as many entries as the receipt says, its root was another one.
    Fork,
    /// It is of an entry that the hub has lost, with the log that it was in: what the hub says itself.
    Lost,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherEntry {
    /// The exact bytes of the leaf, which are text.
    pub leaf: String,
    /// The inclusion proof (RFC 6962 section 2.1.1), from the leaf upwards.
    pub proof: Vec<Sha256Hash>,
}

/// A root of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherRoot {
    /// The root.
    pub root: Sha256Hash,
    /// The consistency proof (RFC 6962 section 2.1.2).
    pub proof: Vec<Sha256Hash>,
}

/// Compares receipts with a log that was checked.
pub struct Comparing<'a> {
    source: &'a dyn LogSource,
    report: &'a LogReport,
    registry: &'a RegistryState,
    hashes: Hashes<'a>,
}

impl<'a> Comparing<'a> {
    /// With what the check of the log gave.
    #[must_use]
    pub fn new(source: &'a dyn LogSource, report: &'a LogReport, registry: &'a RegistryState) -> Self {
        Self { source, report, registry, hashes: Hashes::new(source, report.size) }
    }

    /// What the log says about a receipt, a compact JWS.
    ///
    /// # Errors
    /// [`LogCheckError`] if files of the log cannot be had again.
    pub async fn compare(&mut self, receipt: &str) -> Result<Comparison, LogCheckError> {
        let receipt = match self.believed(receipt) {
            Ok(receipt) => receipt,
            Err(reason) => return Ok(Comparison::NotOfThisHub(reason)),
        };
        let claims = receipt.claims();
        if let Some(abandoned) = self.report.abandoned.iter().find(|one| one.log == claims.log) {
            // The log that says so shows it, if it is this one.
            let says_so = (abandoned.next == self.report.origin).then_some(0);
            let other = match says_so {
                Some(index) => Some(self.entry(index).await?),
                None => None,
            };
            return Ok(self.contradiction(&receipt, ContradictionClass::Lost, other, None));
        }
        if claims.size > self.report.size {
            return Ok(self.contradiction(&receipt, ContradictionClass::ReceiptWithoutEntry, None, None));
        }
        if self.hashes.leaf(claims.index).await? != claims.leaf {
            let other = self.entry(claims.index).await?;
            return Ok(self.contradiction(&receipt, ContradictionClass::OtherEntry, Some(other), None));
        }
        let root = self.root_at(claims.size).await?;
        if root == claims.root {
            return Ok(Comparison::Agrees { index: claims.index });
        }
        let proof = match ProofPlan::consistency(claims.size, self.report.size) {
            Ok(plan) => self.hashes.prove(&plan).await?,
            Err(_) => Vec::new(),
        };
        Ok(self.contradiction(&receipt, ContradictionClass::Fork, None, Some(OtherRoot { root, proof })))
    }

    /// That the hub signed it, with a key that it had at that place.
    fn believed(&self, text: &str) -> Result<Receipt, NotOfThisHub> {
        let receipt = UnverifiedReceipt::parse(text).map_err(|_| NotOfThisHub::Unreadable)?;
        let (claims, kid) = (receipt.claims(), receipt.kid());
        let lost = |abandoned: &AbandonedLog| abandoned.log == claims.log && abandoned.kept <= claims.index;
        let is_here = claims.log == self.report.origin || self.report.abandoned.iter().any(lost);
        if claims.iss != self.report.hub || !is_here || claims.index >= claims.size {
            return Err(NotOfThisHub::OtherLog);
        }
        let record =
            self.registry.receipt_keys().all().find(|record| record.key.id() == kid).ok_or(NotOfThisHub::Key)?;
        // What was signed in a log that was abandoned was signed before all that followed.
        let is_ended = |end: &Revocation| end.index <= self.report.first + claims.index;
        if claims.log == self.report.origin && record.revoked.as_ref().is_some_and(is_ended) {
            return Err(NotOfThisHub::Key);
        }
        let key = record.key;
        receipt.verify(&key).map_err(|_| NotOfThisHub::Key)
    }

    /// The root of the first `size` entries. The tiles were checked.
    async fn root_at(&mut self, size: u64) -> Result<Sha256Hash, LogCheckError> {
        if size == self.report.size {
            return Ok(self.report.root);
        }
        self.hashes.root_at(size).await
    }

    async fn entry(&mut self, index: u64) -> Result<OtherEntry, LogCheckError> {
        let width = u64::from(TILE_WIDTH);
        let there = u16::try_from((self.report.size - index / width * width).min(width)).unwrap_or(TILE_WIDTH);
        let path = TilePath::new(TileContent::Entries, index / width, there).map_err(|_| LogCheckError::Stopped)?;
        let bytes = fetch_tile(self.source, path).await?;
        let entries = decode_bundle(&bytes, there).map_err(|source| LogCheckError::Bundle { path, source })?;
        let at = usize::try_from(index % width).unwrap_or_default();
        let leaf = entries.get(at).map(|leaf| String::from_utf8_lossy(leaf).into_owned()).unwrap_or_default();
        let plan = ProofPlan::inclusion(index, self.report.size).map_err(|_| LogCheckError::Stopped)?;
        Ok(OtherEntry { leaf, proof: self.hashes.prove(&plan).await? })
    }

    fn contradiction(
        &self,
        receipt: &Receipt,
        class: ContradictionClass,
        other_entry: Option<OtherEntry>,
        other_root: Option<OtherRoot>,
    ) -> Comparison {
        let (receipt, checkpoint) = (receipt.as_str().to_owned(), self.report.checkpoint.clone());
        Comparison::Contradicts(Box::new(Contradiction { class, receipt, checkpoint, other_entry, other_root }))
    }
}

impl ContradictionClass {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReceiptWithoutEntry => "receipt-without-entry",
            Self::OtherEntry => "other-entry",
            Self::Fork => "fork",
            Self::Lost => "lost",
        }
    }
}
