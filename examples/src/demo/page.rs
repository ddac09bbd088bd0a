//! The portal's page with the demo's exchange behind it: the services, and the people whom its registers know.

use std::net::Ipv4Addr;

use anyhow::Context as _;
use saphan_schemas::ids::InvalidId;
use saphan_schemas::message_types::BilingualText;
use tokio::net::TcpListener;

use super::exchange::Exchange;
use crate::agencies::{Mandate, ONCE_ONLY, food_premises, licences, moves, welfare};
use crate::procedures::Procedures;
use crate::registry;
use crate::web::{Offer, Person, Settings};

/// Serves the page until Ctrl-C; `say` is told its address.
pub(super) async fn show(exchange: Exchange, procedures: &Procedures, say: impl Fn(String)) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot find a port for the page")?;
    let address = listener.local_addr().context("cannot find the page's address")?;
    say(format!("\n{}\n  page        http://{address}/\n\nIt runs until you press Ctrl-C.", exchange.addresses()));
    let stop = async {
        // A program that cannot wait for the key stops at once.
        let _ = tokio::signal::ctrl_c().await;
    };
    exchange.show_page(listener, settings(procedures)?, stop).await
}

/// The once-only services, and the people who have applied for them: their records are in the registers.
fn settings(procedures: &Procedures) -> Result<Settings, InvalidId> {
    let person = |application: &crate::applications::Application| {
        Person::new(application.applicant().clone(), application.representative().cloned())
    };
    Ok(Settings {
        hub_system: registry::ONCE_ONLY.parse()?,
        offers: ONCE_ONLY.iter().map(offer).collect::<Result<_, _>>()?,
        people: procedures.first.iter().map(person).collect(),
    })
}

fn offer(mandate: &Mandate) -> Result<Offer, InvalidId> {
    let (th, en) = REASONS
        .iter()
        .find(|(service, ..)| *service == mandate.service)
        .map_or_else(|| (mandate.purpose, mandate.purpose), |(_, th, en)| (*th, *en));
    Ok(Offer {
        service: mandate.service.parse()?,
        purpose: mandate.purpose.parse()?,
        reason: BilingualText::new(th, en),
    })
}

const REASONS: [(&str, &str, &str); 4] = [
    (
        food_premises::MANDATE.service,
        "พิจารณาคำขอใบอนุญาตจัดตั้งสถานที่จำหน่ายอาหาร",
        "to decide on your licence for food premises",
    ),
    (welfare::MANDATE.service, "พิจารณาสิทธิเงินอุดหนุนบุตร", "to decide on the grant for your child"),
    (moves::MANDATE.service, "รับแจ้งย้ายที่อยู่ของท่าน", "to register your move"),
    (licences::MANDATE.service, "พิจารณาคำขอต่ออายุใบอนุญาตขับรถ", "to decide on the renewal of your driving licence"),
];
