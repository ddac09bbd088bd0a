//! The names of what can be wrong with a log, for machines and for people.

use saphan_schemas::leaf::NotVouched;
use saphan_schemas::log::BundleError;
use saphan_schemas::registry::RejectedEntry;
use saphan_schemas::succession::NotNext;
use serde::{Serialize, Serializer};

use super::arrangement::Arrangement;
use super::error::{LeafFault, LogCheckError};
use super::source::SourceError;

/// One way in which a log may not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TamperClass {
    /// An entry is not the one that its hash stands for.
    ChangedLeaf,
    /// A hash tile is not what the entries give.
    ChangedTile,
    /// The signed tree head is not signed by the log's key, or not that of these entries.
    ChangedCheckpoint,
    /// A message's envelope is not what its sender signed.
    ChangedEnvelope,
    /// Entries stand in another order.
    ReorderedEntries,
    /// Entries are missing.
    MissingEntries,
    /// A message or an entry is there twice.
    DuplicatedEntries,
    /// Two signed histories that exclude each other.
    Fork,
    /// The log shows less than it had shown.
    Rollback,
    /// Signed with a key that the log did not register before.
    UnknownKey,
    /// Signed with a key that was revoked, expired or not yet valid.
    InvalidKey,
    /// A message names a schema text that is not the registered one.
    WrongSchema,
    /// No agreement allowed a message.
    NotAllowed,
    /// Meant for another hub.
    WrongHub,
    /// An acknowledgement of what is not its signer's to acknowledge.
    FalseAcknowledgement,
    /// A change of the registry by somebody who may not make it.
    FalseRegistryChange,
    /// The erasure of what is no message.
    FalseErasure,
    /// A query of a system that may not audit.
    FalseQuery,
    /// An entry cannot be read.
    MalformedEntry,
    /// An entry stands where none of its kind may.
    MisplacedEntry,
    /// A file of the log cannot be read.
    MalformedFile,
    /// A file of the log is not there.
    MissingFile,
    /// A timestamp cannot be read.
    MalformedTimestamp,
    /// A timestamp is for something else.
    OtherTimestamp,
    /// A timestamp is not what its authority signed.
    ChangedTimestamp,
    /// A timestamp is signed with a certificate that is not for that.
    NotForTimestamps,
    /// A certificate was not valid at the time of its timestamp.
    ExpiredTimestamp,
    /// No trusted authority stands for a timestamp.
    UntrustedTimestamp,
    /// A timestamp is older than an entry that it covers.
    EarlyTimestamp,
    /// Timestamps that were there are not there any more.
    MissingTimestamps,
}

impl TamperClass {
    /// Every class, in the order in which the guide lists them.
    pub const ALL: [Self; 30] = [
        Self::ChangedLeaf,
        Self::ChangedTile,
        Self::ChangedCheckpoint,
        Self::ChangedEnvelope,
        Self::ReorderedEntries,
        Self::MissingEntries,
        Self::DuplicatedEntries,
        Self::Fork,
        Self::Rollback,
        Self::UnknownKey,
        Self::InvalidKey,
        Self::WrongSchema,
        Self::NotAllowed,
        Self::WrongHub,
        Self::FalseAcknowledgement,
        Self::FalseRegistryChange,
        Self::FalseErasure,
        Self::FalseQuery,
        Self::MalformedEntry,
        Self::MisplacedEntry,
        Self::MalformedFile,
        Self::MissingFile,
        Self::MalformedTimestamp,
        Self::OtherTimestamp,
        Self::ChangedTimestamp,
        Self::NotForTimestamps,
        Self::ExpiredTimestamp,
        Self::UntrustedTimestamp,
        Self::EarlyTimestamp,
        Self::MissingTimestamps,
    ];

    /// Its name in JSON and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.words().0
    }

    /// What it means, in English.
    #[must_use]
    pub const fn english(self) -> &'static str {
        self.words().1
    }

    /// What it means, in Thai.
    #[must_use]
    pub const fn thai(self) -> &'static str {
        self.words().2
    }

    const fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::ChangedLeaf => ("changed-leaf", "an entry was changed", "รายการในบันทึกถูกแก้ไข"),
            Self::ChangedTile => ("changed-tile", "a hash of the tree was changed", "ค่าแฮชของต้นไม้ถูกแก้ไข"),
            Self::ChangedCheckpoint => {
                ("changed-checkpoint", "the signed tree head is not that of this log", "หัวบันทึกที่ลงลายมือชื่อไม่ตรงกับบันทึกนี้")
            }
            Self::ChangedEnvelope => {
                ("changed-envelope", "an envelope is not what its sender signed", "ซองข้อความไม่ตรงกับที่ผู้ส่งลงลายมือชื่อ")
            }
            Self::ReorderedEntries => ("reordered-entries", "entries stand in another order", "ลำดับของรายการถูกสลับ"),
            Self::MissingEntries => ("missing-entries", "entries are missing", "มีรายการหายไป"),
            Self::DuplicatedEntries => ("duplicated-entries", "an entry is there twice", "มีรายการซ้ำ"),
            Self::Fork => (
                "fork",
                "the log's key signed two histories that exclude each other",
                "กุญแจของบันทึกลงลายมือชื่อให้ประวัติสองชุดที่ขัดแย้งกัน",
            ),
            Self::Rollback => ("rollback", "the log shows less than it had shown", "บันทึกแสดงรายการน้อยกว่าที่เคยแสดง"),
            Self::UnknownKey => (
                "unknown-key",
                "signed with a key that was not registered before",
                "ลงลายมือชื่อด้วยกุญแจที่ไม่ได้ลงทะเบียนไว้ก่อน",
            ),
            Self::InvalidKey => (
                "invalid-key",
                "signed with a key that was revoked, expired or not yet valid",
                "ลงลายมือชื่อด้วยกุญแจที่ถูกเพิกถอน หมดอายุ หรือยังไม่มีผล",
            ),
            Self::WrongSchema => (
                "wrong-schema",
                "a message names a schema text that is not the registered one",
                "ข้อความอ้างถึงสคีมาที่ไม่ตรงกับที่ลงทะเบียนไว้",
            ),
            Self::NotAllowed => {
                ("not-allowed", "no agreement in force allowed the message", "ไม่มีข้อตกลงที่มีผลอนุญาตให้ส่งข้อความนี้")
            }
            Self::WrongHub => ("wrong-hub", "a statement is meant for another hub", "ข้อความหรือคำแถลงมีไว้สำหรับศูนย์กลางอื่น"),
            Self::FalseAcknowledgement => (
                "false-acknowledgement",
                "an acknowledgement is not its signer's to make",
                "การตอบรับไม่ได้มาจากผู้รับของข้อความนั้น หรือขัดกับที่ตอบไว้ก่อน",
            ),
            Self::FalseRegistryChange => {
                ("false-registry-change", "the registry was changed by somebody who may not", "ทะเบียนถูกแก้ไขโดยผู้ที่ไม่มีสิทธิ")
            }
            Self::FalseErasure => {
                ("false-erasure", "an erasure names what is no message", "การลบอ้างถึงรายการที่ไม่ใช่ข้อความ")
            }
            Self::FalseQuery => {
                ("false-query", "a query is of a system that may not audit", "การสืบค้นเป็นของระบบที่ไม่มีสิทธิตรวจสอบ")
            }
            Self::MalformedEntry => ("malformed-entry", "an entry cannot be read", "อ่านรายการไม่ได้เพราะรูปแบบผิด"),
            Self::MisplacedEntry => {
                ("misplaced-entry", "an entry stands where none of its kind may", "รายการอยู่ในตำแหน่งที่ไม่อนุญาต")
            }
            Self::MalformedFile => {
                ("malformed-file", "a file of the log cannot be read", "อ่านไฟล์ของบันทึกไม่ได้เพราะรูปแบบผิด")
            }
            Self::MissingFile => ("missing-file", "a file of the log is missing", "ไฟล์ของบันทึกหายไป"),
            Self::MalformedTimestamp => {
                ("malformed-timestamp", "a timestamp cannot be read", "อ่านการประทับรับรองเวลาไม่ได้เพราะรูปแบบผิด")
            }
            Self::OtherTimestamp => {
                ("other-timestamp", "a timestamp is for something else", "การประทับรับรองเวลาไม่ใช่ของบันทึกนี้")
            }
            Self::ChangedTimestamp => (
                "changed-timestamp",
                "a timestamp is not what its authority signed",
                "การประทับรับรองเวลาไม่ตรงกับที่ผู้ให้บริการลงลายมือชื่อ",
            ),
            Self::NotForTimestamps => (
                "not-for-timestamps",
                "a timestamp is signed with a certificate that is not for timestamps",
                "ใบรับรองที่ใช้ลงลายมือชื่อไม่ได้ออกให้เพื่อประทับรับรองเวลา",
            ),
            Self::ExpiredTimestamp => (
                "expired-timestamp",
                "a certificate was not valid at the time of its timestamp",
                "ใบรับรองไม่มีผลในเวลาที่ประทับรับรอง",
            ),
            Self::UntrustedTimestamp => (
                "untrusted-timestamp",
                "no trusted authority stands for a timestamp",
                "ไม่มีผู้ให้บริการที่เชื่อถือได้รับรองการประทับเวลานี้",
            ),
            Self::EarlyTimestamp => (
                "early-timestamp",
                "a timestamp is older than an entry that it covers",
                "เวลาที่ประทับรับรองเก่ากว่ารายการที่รับรอง",
            ),
            Self::MissingTimestamps => (
                "missing-timestamps",
                "timestamps that were shown before are missing",
                "การประทับรับรองเวลาที่เคยแสดงหายไป",
            ),
        }
    }
}

impl Serialize for TamperClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl LogCheckError {
    /// The class of what does not hold; `None` if nothing is known about the log.
    #[must_use]
    pub fn class(&self) -> Option<TamperClass> {
        Some(match self {
            Self::Earlier { source, .. } => return source.class(),
            Self::ClosedLogDiffers { shown, size, .. } if shown < size => TamperClass::Rollback,
            Self::ClosedLogDiffers { .. } => TamperClass::Fork,
            Self::File { source: SourceError::NotFound, .. } => TamperClass::MissingFile,
            Self::Bundle { source: BundleError::WrongCount { expected, found }, .. } if *found < *expected as usize => {
                TamperClass::MissingEntries
            }
            Self::File { .. } | Self::Bundle { .. } | Self::Timestamps { .. } => TamperClass::MalformedFile,
            // Only checkpoints are read as text.
            Self::Checkpoint(_) | Self::NotText { .. } | Self::Root { .. } => TamperClass::ChangedCheckpoint,
            Self::EntryHash { arrangement, .. } => match arrangement {
                Arrangement::Changed => TamperClass::ChangedLeaf,
                Arrangement::Reordered => TamperClass::ReorderedEntries,
                Arrangement::Missing => TamperClass::MissingEntries,
                Arrangement::Duplicated => TamperClass::DuplicatedEntries,
            },
            Self::Tile(_) | Self::OldTiles { .. } => TamperClass::ChangedTile,
            Self::Leaf { fault, .. } => fault.class(),
            Self::Fetch { .. } | Self::Export { .. } | Self::TooMuch { .. } | Self::History(_) | Self::Stopped => {
                return None;
            }
        })
    }
}

const fn class_of_change(fault: &RejectedEntry) -> TamperClass {
    match fault {
        RejectedEntry::Repeated => TamperClass::DuplicatedEntries,
        _ => TamperClass::FalseRegistryChange,
    }
}

const fn class_of_next(fault: &NotNext) -> TamperClass {
    match fault {
        NotNext::NotClosed | NotNext::Again => TamperClass::MisplacedEntry,
        NotNext::NotVouched(NotVouched::Malformed(_)) => TamperClass::MalformedEntry,
        NotNext::NotVouched(NotVouched::OtherChange) | NotNext::OtherRoot => TamperClass::UnknownKey,
        NotNext::Rejected(fault) => class_of_change(fault),
        NotNext::PreviousNotSigned => TamperClass::ChangedCheckpoint,
        NotNext::OtherPrevious | NotNext::NothingLost { .. } => TamperClass::Fork,
    }
}

impl LeafFault {
    const fn class(&self) -> TamperClass {
        match self {
            Self::NotALeaf(_) | Self::OtherNames | Self::Envelope(_) | Self::Acknowledgement(_) | Self::Registry(_) => {
                TamperClass::MalformedEntry
            }
            Self::OtherHub => TamperClass::WrongHub,
            Self::KeyUnknown { .. } => TamperClass::UnknownKey,
            Self::KeyRevoked { .. } | Self::KeyNotValid { .. } => TamperClass::InvalidKey,
            Self::Signature => TamperClass::ChangedEnvelope,
            Self::Duplicate { .. } => TamperClass::DuplicatedEntries,
            Self::SchemaText | Self::SchemaId => TamperClass::WrongSchema,
            Self::RegistryChange(fault) => class_of_change(fault),
            Self::NotAllowed(_) | Self::NotASystem { .. } => TamperClass::NotAllowed,
            Self::AcknowledgementSignature
            | Self::NotBefore { .. }
            | Self::AcknowledgesNoMessage { .. }
            | Self::NotTheReceiver { .. }
            | Self::AcknowledgesInNoLog { .. }
            | Self::OtherOutcome { .. } => TamperClass::FalseAcknowledgement,
            Self::NotNext(fault) => class_of_next(fault),
            Self::ErasesNoMessage { .. } | Self::ErasesInNoLog { .. } => TamperClass::FalseErasure,
            Self::NotAnAuditor { .. } => TamperClass::FalseQuery,
            Self::NotOpened | Self::Misplaced | Self::TimeRunsBack => TamperClass::MisplacedEntry,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_class_has_a_name_of_its_own_in_words_of_two_languages() {
        let guide = include_str!("../../../../docs/auditor-guide.md");
        let names: BTreeSet<_> = TamperClass::ALL.iter().map(|class| class.name()).collect();
        assert_eq!(names.len(), TamperClass::ALL.len());
        for class in TamperClass::ALL {
            let line = format!("| `{}` | {} | {} |", class.name(), class.english(), class.thai());
            assert!(guide.contains(&line), "the guide lacks\n{line}");
        }
    }
}
