//! Once-only procedures over both transports: nobody hands in a paper, and who comes back makes nobody look twice.

use std::collections::HashMap;

use saphan_cli::log_check::{self, HttpLog};
use saphan_conformance::programs;
use saphan_connector::{Connector, Receive};
use saphan_examples::agencies::Records;
use saphan_examples::applications::{Application, Plan};
use saphan_examples::joining::join_by_invitation;
use saphan_examples::local::hub::{HubOptions, HubProcess, HubProgram};
use saphan_examples::local::rabbitmq::RabbitNode;
use saphan_examples::portal::{self, Portal};
use saphan_examples::procedures::{Measured, Procedures, carry_out};
use saphan_examples::{cast, registry};
use saphan_schemas::registry::TransportKind;
use tempfile::TempDir;

use crate::patience::{LIMIT, in_time};

#[tokio::test(flavor = "multi_thread")]
async fn four_procedures_need_no_paper_and_a_fifth_fetches_nothing_by_pulling() {
    procedures(TransportKind::Pull, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_procedures_need_no_paper_and_a_fifth_fetches_nothing_through_rabbitmq() {
    let broker = RabbitNode::start().await.unwrap();
    procedures(TransportKind::Amqp, Some(broker.uri().to_owned())).await;
    broker.stop().await.unwrap();
}

async fn procedures(transport: TransportKind, broker: Option<String>) {
    let procedures = Procedures::new(4).unwrap();
    let mut stage = Stage::start(transport, broker, &procedures).await;
    for application in &procedures.first {
        let measured = stage.carry_out(application).await;
        let Measured { papers_before, papers_now, evidence_fetched, evidence_reused, .. } = measured;
        assert_eq!((papers_now, evidence_fetched, evidence_reused), (0, papers_before, 0), "{}", measured.service);
    }
    let again = stage.carry_out(&procedures.again).await;
    assert_eq!((again.papers_now, again.evidence_fetched, again.evidence_reused), (0, 0, again.papers_before));
    let person = procedures.again.applicant().subject();
    let trace = stage.portal.connector().trace(&person, None).await.unwrap();
    assert!(trace.items.iter().any(|item| item.message_type.as_str() == "evidence.reused"), "the person can see it");
    stage.stop().await;
}

/// A hub with a system of its own, and everybody connected.
pub(crate) struct Stage {
    portal: Portal,
    others: Vec<Connector>,
    pub(crate) hub: HubProcess,
    _folder: TempDir,
}

impl Stage {
    pub(crate) async fn start(transport: TransportKind, broker: Option<String>, procedures: &Procedures) -> Self {
        let receive = broker.clone().map_or(Receive::Pull, |uri| Receive::Amqp { uri });
        let registry = registry::of_the_examples(transport, |_| None).unwrap().to_toml().unwrap();
        let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
        let settings = vec![("SAPHAN_HUB__CASES__SYSTEM", registry::ONCE_ONLY.to_owned())];
        let hub =
            HubProcess::start(HubOptions { broker, settings, ..HubOptions::new(program, registry) }).await.unwrap();
        let mut joined = HashMap::new();
        for system in registry::SYSTEMS.into_iter().chain(registry::ONCE_ONLY_SYSTEMS) {
            joined.insert(system, join_by_invitation(&hub, &system.parse().unwrap()).await.unwrap());
        }
        let (folder, records) = (TempDir::new().unwrap(), Records::new());
        let builder = |system: &str| {
            Ok(joined[system].connector(folder.path().join(system.replace('/', "__"))).receive(receive.clone()))
        };
        let mut others = cast::agencies(builder, &records, &Plan::default(), procedures).unwrap();
        others.extend(cast::once_only(builder, &records, procedures).unwrap());
        let mut connected = Vec::new();
        for other in others {
            connected.push(other.build().await.unwrap());
        }
        let portal = Portal::open(builder(portal::SYSTEM).unwrap(), &records).await.unwrap();
        Self { portal, others: connected, hub, _folder: folder }
    }

    pub(crate) async fn carry_out(&self, application: &Application) -> Measured {
        let service = application.mandate.service;
        in_time(carry_out(&self.portal, application), || format!("no decision on {service}")).await.unwrap()
    }

    /// Stops in good order: nothing is left over, and the log holds.
    pub(crate) async fn stop(&mut self) {
        let counts = |connector: &Connector| connector.counts();
        for connector in self.others.iter().chain([self.portal.connector()]) {
            assert_eq!((counts(connector).refused, counts(connector).rejected), (0, 0), "{}", connector.system());
        }
        for connector in std::mem::take(&mut self.others) {
            assert!(connector.shutdown(LIMIT).await.unwrap().finished);
        }
        let trust = saphan_connector::trust::fetch(self.hub.address()).await.unwrap().trust();
        let report = log_check::check(&HttpLog::new(self.hub.address()).unwrap(), &trust.log, &()).await.unwrap();
        assert_eq!(report.leaves.rejected, 0);
        self.hub.stop().await.unwrap();
    }
}
