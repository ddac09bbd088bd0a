//! Receipts that were kept, held against the logs that they are of: where the two contradict each other, both are signed, and that is proof.

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::HubId;
use saphan_schemas::log::{ProofPlan, TILE_WIDTH, TileContent, TilePath, decode_bundle};
use saphan_schemas::receipt::{Receipt, ReceiptClaims, UnverifiedReceipt};
use saphan_schemas::registry::RegistryState;
use serde::Serialize;

use crate::log_check::chain::Link;
use crate::log_check::hashes::Hashes;
use crate::log_check::{LogCheckError, LogReport, LogSource, are_of_one_hub, fetch_tile};

/// What the log that it names says about a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// The entry is where the receipt says, and the log was what it says then.
    Agrees {
        /// The log.
        log: String,
        /// The place of the entry in it.
        index: u64,
    },
    /// It names a log of this hub that is not among those which were checked: a later one, or none.
    NotAtHand {
        /// The log.
        log: String,
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
    /// Of another hub's log.
    #[error("it is a receipt of another hub's log")]
    OtherHub,
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

/// Compares receipts with the logs of a hub that were checked.
pub struct Comparing<'a> {
    hub: HubId,
    registry: &'a RegistryState,
    /// The newest last.
    logs: Vec<Log<'a>>,
}

/// A log that was checked up to its checkpoint.
struct Log<'a> {
    source: &'a dyn LogSource,
    origin: String,
    /// The number of its entries; if it was abandoned, of those that are left.
    size: u64,
    is_abandoned: bool,
    root: Sha256Hash,
    /// The checkpoint as it was signed.
    signed: String,
    /// The number of entries of the hub's logs before it.
    first: u64,
    hashes: Hashes<'a>,
}

impl<'a> Comparing<'a> {
    /// With what the check of the newest log gave, and of those before it.
    #[must_use]
    pub(crate) fn new(
        source: &'a dyn LogSource,
        report: &LogReport,
        registry: &'a RegistryState,
        earlier: &'a [Link],
    ) -> Self {
        let (mut logs, mut first) = (Vec::with_capacity(earlier.len() + 1), 0);
        for Link { source, signed, lost, .. } in earlier {
            let (source, checkpoint) = (&**source, signed.checkpoint());
            logs.push(Log {
                source,
                origin: checkpoint.origin.clone(),
                size: checkpoint.size,
                is_abandoned: lost.is_some(),
                root: checkpoint.root,
                signed: signed.text().to_owned(),
                first,
                hashes: Hashes::new(source, checkpoint.size),
            });
            first += checkpoint.size;
        }
        logs.push(Log {
            source,
            origin: report.origin.clone(),
            size: report.size,
            is_abandoned: false,
            root: report.root,
            signed: report.checkpoint.clone(),
            first,
            hashes: Hashes::new(source, report.size),
        });
        Self { hub: report.hub.clone(), registry, logs }
    }

    /// What its log says about a receipt, a compact JWS.
    ///
    /// # Errors
    /// [`LogCheckError`] if files of the log cannot be had again.
    pub async fn compare(&mut self, text: &str) -> Result<Comparison, LogCheckError> {
        let Ok(receipt) = UnverifiedReceipt::parse(text) else {
            return Ok(Comparison::NotOfThisHub(NotOfThisHub::Unreadable));
        };
        let claims = receipt.claims();
        let is_of_hub = claims.iss == self.hub && claims.index < claims.size;
        let Some(at) = self.logs.iter().position(|log| is_of_hub && log.origin == claims.log) else {
            // Its key may be one that only that log registers.
            let is_named_so = is_of_hub && self.logs.iter().any(|log| are_of_one_hub(&log.origin, &claims.log));
            let other = Comparison::NotOfThisHub(NotOfThisHub::OtherHub);
            return Ok(if is_named_so { Comparison::NotAtHand { log: claims.log.clone() } } else { other });
        };
        let log = &mut self.logs[at];
        let receipt = match believed(self.registry, log, receipt) {
            Ok(receipt) => receipt,
            Err(reason) => return Ok(Comparison::NotOfThisHub(reason)),
        };
        if !log.has_lost(receipt.claims().index) {
            return log.compare(&receipt).await;
        }
        // The first entry of the next log says so.
        let next = self.logs.get_mut(at + 1).ok_or(LogCheckError::Stopped)?;
        let says_so = next.entry(0).await?;
        Ok(next.contradiction(&receipt, ContradictionClass::Lost, Some(says_so), None))
    }
}

/// That the hub signed it, with a key that it had at its place of that log. What is lost of one was signed before all that followed.
fn believed(registry: &RegistryState, log: &Log<'_>, receipt: UnverifiedReceipt) -> Result<Receipt, NotOfThisHub> {
    let (index, kid) = (receipt.claims().index, receipt.kid());
    let record = registry.receipt_keys().all().find(|record| record.key.id() == kid).ok_or(NotOfThisHub::Key)?;
    let place = log.first + if log.has_lost(index) { log.size.saturating_sub(1) } else { index };
    if record.revoked.is_some_and(|end| end.index <= place) {
        return Err(NotOfThisHub::Key);
    }
    let key = record.key;
    receipt.verify(&key).map_err(|_| NotOfThisHub::Key)
}

impl Log<'_> {
    const fn has_lost(&self, index: u64) -> bool {
        self.is_abandoned && index >= self.size
    }

    async fn compare(&mut self, receipt: &Receipt) -> Result<Comparison, LogCheckError> {
        let ReceiptClaims { index, leaf, size, root, .. } = receipt.claims();
        if *size > self.size && !self.is_abandoned {
            return Ok(self.contradiction(receipt, ContradictionClass::ReceiptWithoutEntry, None, None));
        }
        if self.hashes.leaf(*index).await? != *leaf {
            let other = self.entry(*index).await?;
            return Ok(self.contradiction(receipt, ContradictionClass::OtherEntry, Some(other), None));
        }
        let agrees = Comparison::Agrees { log: self.origin.clone(), index: *index };
        // Of a tree with entries that are lost nobody can tell the root.
        if *size > self.size {
            return Ok(agrees);
        }
        let other = self.root_at(*size).await?;
        if other == *root {
            return Ok(agrees);
        }
        let proof = match ProofPlan::consistency(*size, self.size) {
            Ok(plan) => self.hashes.prove(&plan).await?,
            Err(_) => Vec::new(),
        };
        let other = OtherRoot { root: other, proof };
        Ok(self.contradiction(receipt, ContradictionClass::Fork, None, Some(other)))
    }

    /// The root of the first `size` entries. The tiles were checked.
    async fn root_at(&mut self, size: u64) -> Result<Sha256Hash, LogCheckError> {
        if size == self.size {
            return Ok(self.root);
        }
        self.hashes.root_at(size).await
    }

    async fn entry(&mut self, index: u64) -> Result<OtherEntry, LogCheckError> {
        let width = u64::from(TILE_WIDTH);
        let there = u16::try_from((self.size - index / width * width).min(width)).unwrap_or(TILE_WIDTH);
        let path = TilePath::new(TileContent::Entries, index / width, there).map_err(|_| LogCheckError::Stopped)?;
        let bytes = fetch_tile(self.source, path).await?;
        let entries = decode_bundle(&bytes, there).map_err(|source| LogCheckError::Bundle { path, source })?;
        let at = usize::try_from(index % width).unwrap_or_default();
        let leaf = entries.get(at).map(|leaf| String::from_utf8_lossy(leaf).into_owned()).unwrap_or_default();
        let plan = ProofPlan::inclusion(index, self.size).map_err(|_| LogCheckError::Stopped)?;
        Ok(OtherEntry { leaf, proof: self.hashes.prove(&plan).await? })
    }

    fn contradiction(
        &self,
        receipt: &Receipt,
        class: ContradictionClass,
        other_entry: Option<OtherEntry>,
        other_root: Option<OtherRoot>,
    ) -> Comparison {
        let (receipt, checkpoint) = (receipt.as_str().to_owned(), self.signed.clone());
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
