//! Why a state folder cannot be used.

use std::path::PathBuf;

/// Why a state folder cannot be used. This says nothing about the log.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The folder, or a file in it.
    #[error("cannot write {}: {source}", path.display())]
    Folder {
        /// The path.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// Another audit is going on.
    #[error("the state folder is in use by another audit")]
    InUse,
    /// It is the folder of another log, or was made with another key of this one.
    #[error("the state folder is that of the log with the key {found}")]
    OtherLog {
        /// The key that it is bound to.
        found: String,
    },
    /// It was written by another version of this program.
    #[error("the state folder has the format {found}, which this version does not know")]
    OtherFormat {
        /// The format.
        found: i64,
    },
    /// It is not what an audit left.
    #[error("the state folder is damaged: {what} cannot be read")]
    Damaged {
        /// What part of it.
        what: &'static str,
    },
    /// It is in a later log of the hub, whose checkpoints it must not forget.
    #[error(
        "the audit of this folder is in a later log of the hub, and keeps what that log showed; to begin with the first entry of the first \
         log, audit into an empty folder"
    )]
    LaterLog,
    /// It cannot be read or written.
    #[error("the state folder cannot be used: {0}")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StateError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
        // The low byte is SQLite's primary result code.
        match code.map(|code| code & 0xff) {
            Some(BUSY | LOCKED) => Self::InUse,
            Some(CORRUPT | NOT_A_DATABASE) => Self::Damaged { what: "audit.db" },
            _ => Self::Database(error),
        }
    }
}

const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const CORRUPT: u32 = 11;
const NOT_A_DATABASE: u32 = 26;
