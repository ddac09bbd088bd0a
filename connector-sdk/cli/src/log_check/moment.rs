//! The registry as it was at some place of the log.

use saphan_schemas::registry::RegistryState;

/// A place of a log, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// After this entry.
    Index(u64),
    /// After all entries that were logged until then, in milliseconds since 1970.
    Time(u64),
    /// After the last entry.
    End,
}

impl Moment {
    /// The same of a log before which the hub's other logs have so many entries.
    pub(super) const fn in_log_at(self, first: u64) -> Self {
        match self {
            Self::Index(index) => Self::Index(index.saturating_add(first)),
            other => other,
        }
    }
}

impl RegistryAt {
    /// The same, counted in that log; `None` if the moment is before it.
    pub(super) fn in_log_at(self, first: u64) -> Option<Self> {
        let entries = self.entries.checked_sub(first).filter(|entries| *entries > 0)?;
        Some(Self { entries, ..self })
    }
}

/// The registry at a moment.
#[derive(Debug, Clone)]
pub struct RegistryAt {
    /// Who existed, and what was agreed.
    pub registry: RegistryState,
    /// How many entries of the log there were.
    pub entries: u64,
    /// The time, in milliseconds since 1970: the one that was asked for, or that of the entry.
    pub time: u64,
}

/// Waits for a moment while the leaves go by.
#[derive(Debug)]
pub(super) struct Waiting {
    moment: Moment,
    /// The entries until the moment, and the time of the last of them.
    entries: u64,
    time: u64,
    found: Option<RegistryState>,
}

impl Waiting {
    pub(super) const fn new(moment: Moment) -> Self {
        Self { moment, entries: 0, time: 0, found: None }
    }

    /// The next leaf: before it changes anything. `time` is when it was logged.
    pub(super) fn before(&mut self, index: u64, time: u64, registry: Option<&RegistryState>) {
        if self.found.is_some() {
            return;
        }
        let is_later = match self.moment {
            Moment::Index(last) => index > last,
            Moment::Time(last) => time > last,
            Moment::End => false,
        };
        match (is_later, registry) {
            (true, Some(registry)) => self.found = Some(registry.clone()),
            (true, None) => {}
            (false, _) => {
                self.entries = index + 1;
                self.time = time;
            }
        }
    }

    /// When all leaves went by. `None` if the moment is not in this log.
    pub(super) fn end(self, registry: &RegistryState) -> Option<RegistryAt> {
        let Self { moment, entries, time, found } = self;
        let (is_there, time) = match moment {
            Moment::Index(last) => (last < entries, time),
            Moment::Time(asked) => (entries > 0, asked),
            Moment::End => (entries > 0, time),
        };
        let registry = found.unwrap_or_else(|| registry.clone());
        is_there.then_some(RegistryAt { registry, entries, time })
    }
}
