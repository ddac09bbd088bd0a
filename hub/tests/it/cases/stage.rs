//! A hub with a system of its own, a portal, an authority, and three that hold evidence.

mod registry;
mod said;
mod seen;

pub(crate) use registry::agreement;
pub(crate) use said::provided;
pub(crate) use seen::{Received, requirement};

use std::sync::Mutex;

use saphan_schemas::registry::TransportKind;
use serde_json::Value;

use crate::harness::{Document, NOW, Party, Site, TestHub};

pub(crate) const OWN: &str = "th.dga/once-only";
pub(crate) const SERVICE: &str = "th.dlt.driving-licence-renewal";
pub(crate) const PURPOSE: &str = "licence-renewal";
pub(crate) const LAW: &str = "Digital Government Administration and Services Act BE 2562 s.13";
pub(crate) const PERSON: &str = "1990100010008";

/// Everybody in a case.
pub(crate) struct Stage {
    pub(crate) hub: TestHub,
    pub(crate) portal: Party,
    pub(crate) authority: Party,
    /// The civil registry: identity.
    pub(crate) registry: Party,
    /// The register of driving licences.
    pub(crate) licences: Party,
    /// Medical certificates; asked first.
    pub(crate) ministry: Party,
    /// Medical certificates too.
    pub(crate) city: Party,
    /// Permits to stay.
    pub(crate) immigration: Party,
    /// Somebody with no part in it.
    pub(crate) stranger: Party,
    /// Those of the ministry and of the city.
    certificates: [Document; 2],
    /// Received, and not looked at yet.
    waiting: Mutex<Vec<Received>>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    pub(crate) async fn with(settings: &str) -> Self {
        let patience = if settings.contains("evidence_seconds") { "" } else { "evidence_seconds = 3600\n" };
        let site = Site::new(&format!("[cases]\nsystem = \"{OWN}\"\n{patience}{settings}"));
        Self::on(site.start().await, "th.dlt/licensing").await
    }

    /// The same, where another system decides.
    pub(crate) async fn decided_by(authority: &str) -> Self {
        let site = Site::new(&format!("[cases]\nsystem = \"{OWN}\"\nevidence_seconds = 3600"));
        Self::on(site.start().await, authority).await
    }

    /// On a hub that knows nobody yet.
    async fn on(hub: TestHub, authority: &str) -> Self {
        let party = |id: &str| Party::new(id, TransportKind::Pull);
        let stage = Self {
            portal: party("th.dga/portal"),
            authority: party(authority),
            registry: party("th.dopa/civil-registry"),
            licences: party("th.dlt/registers"),
            ministry: party("th.moph/certificates"),
            city: party("th.bma/clinics"),
            immigration: party("th.imm/permits"),
            stranger: party("th.xyz/other"),
            certificates: [(); 2].map(|()| Document::pdf(900)),
            waiting: Mutex::default(),
            hub,
        };
        stage.hub.change_registry(stage.changes()).await.json::<Value>(200);
        stage.sign_agreements().await;
        for (provider, certificate) in [&stage.ministry, &stage.city].into_iter().zip(&stage.certificates) {
            assert_eq!(stage.hub.put(provider, certificate).await.status, 201);
        }
        stage
    }

    /// The same people on the hub that was started again.
    pub(crate) async fn restarted(self) -> Self {
        self.restarted_after(0).await
    }

    /// The same people on the hub that goes on in another log.
    pub(crate) async fn in_next_log(self, shard: &str) -> Self {
        let hub = self.hub.go_on_in(shard).await;
        Self { hub, ..self }
    }

    /// The same, when the hub was away for so many seconds.
    pub(crate) async fn restarted_after(self, seconds: u64) -> Self {
        let Self {
            hub,
            portal,
            authority,
            registry,
            licences,
            ministry,
            city,
            immigration,
            stranger,
            certificates,
            waiting,
        } = self;
        let site = hub.stop().await;
        site.clock.advance(seconds);
        let hub = site.start().await;
        Self {
            hub,
            portal,
            authority,
            registry,
            licences,
            ministry,
            city,
            immigration,
            stranger,
            certificates,
            waiting,
        }
    }
}

/// Seconds after the beginning of every test, as a moment.
pub(crate) fn at(seconds: u64) -> String {
    saphan_schemas::message_types::Timestamp::from_unix_seconds(NOW + seconds).unwrap().to_string()
}
