//! Rows of the outbox: what waits for its receiver, and what becomes of it.

use saphan_schemas::commitment::Salt;
use saphan_schemas::ids::SystemId;

/// An outbox row with all that delivery needs.
#[derive(Debug, Clone)]
pub struct Pending {
    /// The message's place in the log.
    pub index: u64,
    /// The recipient.
    pub recipient: SystemId,
    /// The exact leaf, which holds the envelope.
    pub leaf: Vec<u8>,
    /// The salt of the commitment.
    pub salt: Salt,
    /// The exact body.
    pub body: Vec<u8>,
    /// The hub's receipt.
    pub receipt: String,
    /// The proof.
    pub proof: String,
    /// Deliveries tried before this one; for the broker, since it last confirmed one.
    pub attempts: u32,
    /// How often the broker confirmed it.
    pub published: u32,
}

/// Which outbox rows for the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deliveries {
    /// Every one.
    All,
    /// Those of which [`super::Store::settle`] wrote something: to be tried again, or to be delivered again.
    Again,
}

/// Outbox rows for the broker.
#[derive(Debug, Clone)]
pub struct Due {
    /// The oldest that are due.
    pub messages: Vec<Pending>,
    /// Those among the oldest whose bodies do not open: damaged, and nothing that can be delivered.
    pub unreadable: Vec<u64>,
    /// Whether the limit left others out.
    pub more: bool,
}

/// What became of a delivery to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Confirmed. The outbox row stays until the receiver acknowledges, should the broker lose what it confirmed.
    Delivered {
        /// The message's place in the log.
        index: u64,
        /// To be published again unless it is acknowledged by then, in milliseconds since 1970.
        again: u64,
    },
    /// Not confirmed: to be tried again.
    Retry {
        /// The message's place in the log.
        index: u64,
        /// Not before this time, in milliseconds since 1970.
        at: u64,
    },
}

/// A lease of pulled messages.
#[derive(Debug, Clone, Copy)]
pub struct LeaseRequest<'a> {
    /// Who leases.
    pub recipient: &'a SystemId,
    /// The lease's own id.
    pub lease: &'a str,
    /// The time, in milliseconds since 1970.
    pub now: u64,
    /// When the lease ends, in milliseconds since 1970.
    pub until: u64,
    /// At most so much.
    pub limit: Limit,
}

/// A change of a lease.
#[derive(Debug, Clone, Copy)]
pub struct LeaseChange<'a> {
    /// Who leased.
    pub recipient: &'a SystemId,
    /// The lease's own id.
    pub lease: &'a str,
    /// The time, in milliseconds since 1970.
    pub now: u64,
    /// When the rows are free again, in milliseconds since 1970.
    pub until: u64,
    /// Only these rows; `None` for all.
    pub only: Option<&'a [u64]>,
    /// Whether the lease ends with this.
    pub ends: bool,
}

/// At most so many rows, and about so many bytes of bodies; one row at least.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Rows.
    pub rows: u32,
    /// Bytes.
    pub bytes: u64,
}

/// Counts for health and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Outbox rows that the broker never confirmed.
    pub outbox_amqp: u64,
    /// Outbox rows waiting to be pulled and acknowledged.
    pub outbox_pull: u64,
}
