//! What does not hold about an export.

use saphan_schemas::log::CheckpointError;

/// Why an export is not believed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// Something in it does not hold.
    #[error("line {line}: {fault}")]
    Fault {
        /// The line or record, counted from 1.
        line: u64,
        /// What.
        fault: ExportFault,
    },
}

/// What does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ExportFault {
    /// Not a line of an export.
    #[error("it cannot be read: {0}")]
    Malformed(String),
    /// The file does not begin as exports do.
    #[error("the export does not say what it is")]
    NoHead,
    /// Another format.
    #[error("the format is {found}, not saphan-audit-export-1")]
    Format {
        /// The one that it says.
        found: String,
    },
    /// The checkpoint is not signed with a trusted key of the log.
    #[error("checkpoint: {0}")]
    Checkpoint(CheckpointError),
    /// The checkpoint is of another log or size than the export says.
    #[error("the checkpoint is not that of the log and the size that the export states")]
    OtherCheckpoint,
    /// A leaf was changed.
    #[error("the leaf of entry {index} does not have the hash beside it")]
    Leaf {
        /// The entry.
        index: u64,
    },
    /// A proof does not lead to the root.
    #[error("the proof of entry {index} does not lead to the signed root")]
    Proof {
        /// The entry.
        index: u64,
    },
    /// A row says something else than the log.
    #[error("the row of entry {index} has another `{member}` than the log")]
    Row {
        /// The entry.
        index: u64,
        /// What differs.
        member: &'static str,
    },
    /// A row that was not asked for.
    #[error("entry {index} does not fit what was asked")]
    NotAskedFor {
        /// The entry.
        index: u64,
    },
    /// Rows are not in order, or there twice.
    #[error("entry {index} does not come before the one above it")]
    Order {
        /// The entry.
        index: u64,
    },
    /// Rows were taken out, or put in.
    #[error("the export says that it has another number of rows")]
    WrongCount,
    /// The file ends too early.
    #[error("the export was cut off: its last line is missing")]
    CutOff,
    /// The file goes on.
    #[error("something follows the last line")]
    AfterTheEnd,
}
