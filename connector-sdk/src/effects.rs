//! Effects exactly once, in the agency's own database.
//!
//! A message may reach a handler twice: when the connector is killed after the agency's commit and before its own. So the
//! agency claims the message's [`EffectKey`] in the same SQL transaction as its effect. The claim is one row with a unique
//! key: the second time it is already there, and the effect is left out.
//!
//! ```
//! use saphan_connector::effects::{CREATE_TABLE, EffectKey};
//! use sqlx::Connection as _;
//!
//! # async fn example(key: EffectKey, database: &mut sqlx::SqliteConnection) -> Result<(), sqlx::Error> {
//! // Once, in the agency's migrations:
//! sqlx::query(CREATE_TABLE).execute(&mut *database).await?;
//!
//! // In the handler, with `message.effect()` as the key:
//! let mut transaction = database.begin().await?;
//! if key.claim(&mut transaction).await? {
//!     sqlx::query("INSERT INTO applications …").execute(&mut *transaction).await?;
//! }
//! transaction.commit().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Agencies on another database run [`CREATE_TABLE`] once, and the claim for their database with
//! [`EffectKey::sender`] and [`EffectKey::message`] as its two parameters; one changed row means: do it.

use saphan_schemas::ids::{MessageId, SystemId};

/// What identifies a message's effect: sender and message id. Never the bytes: signatures may be made anew.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EffectKey {
    sender: SystemId,
    message: MessageId,
}

impl EffectKey {
    /// The key of a message.
    #[must_use]
    pub const fn new(sender: SystemId, message: MessageId) -> Self {
        Self { sender, message }
    }

    /// The first parameter of a claim.
    #[must_use]
    pub fn sender(&self) -> &str {
        self.sender.as_str()
    }

    /// The second parameter of a claim.
    #[must_use]
    pub fn message(&self) -> String {
        self.message.to_string()
    }

    /// Claims the effect inside the caller's transaction on SQLite: `true` the first time, `false` when it was done before.
    /// It counts only if the transaction commits.
    ///
    /// # Errors
    /// The database's error; then nothing is claimed, and the transaction is to be rolled back.
    pub async fn claim(&self, connection: &mut sqlx::SqliteConnection) -> Result<bool, sqlx::Error> {
        let claimed = sqlx::query(CLAIM_SQLITE).bind(self.sender()).bind(self.message()).execute(connection).await?;
        Ok(claimed.rows_affected() == 1)
    }
}

/// The table of claims, in SQL that every common database reads.
pub const CREATE_TABLE: &str = "CREATE TABLE saphan_effects (\
     sender VARCHAR(128) NOT NULL, message CHAR(36) NOT NULL, PRIMARY KEY (sender, message))";

/// The claim on SQLite.
pub const CLAIM_SQLITE: &str = "INSERT INTO saphan_effects (sender, message) VALUES (?1, ?2) ON CONFLICT DO NOTHING";

/// The claim on PostgreSQL.
pub const CLAIM_POSTGRESQL: &str =
    "INSERT INTO saphan_effects (sender, message) VALUES ($1, $2) ON CONFLICT DO NOTHING";

/// The claim on MySQL and MariaDB.
pub const CLAIM_MYSQL: &str = "INSERT IGNORE INTO saphan_effects (sender, message) VALUES (?, ?)";

/// The claim on SQL Server; the hints keep two transactions from claiming at the same time.
pub const CLAIM_SQL_SERVER: &str = "INSERT INTO saphan_effects (sender, message) SELECT @p1, @p2 WHERE NOT EXISTS \
     (SELECT 1 FROM saphan_effects WITH (UPDLOCK, HOLDLOCK) WHERE sender = @p1 AND message = @p2)";
