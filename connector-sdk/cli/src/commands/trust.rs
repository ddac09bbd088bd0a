//! `saphan trust`: a hub's keys, asked from the hub itself once.

use std::path::PathBuf;

use clap::Args;
use saphan_connector::ConnectorError;
use saphan_connector::hub_api::HubError;
use saphan_schemas::joining::TrustBundle;
use serde_json::json;

use crate::files::{self, Readers};
use crate::outcome::{Exit, Failure, Outcome};
use crate::tls::{INSECURE_ADVICE, TlsFiles};

#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// The hub's address
    #[arg(value_name = "URL")]
    hub: String,

    /// Where the keys go; an existing file is never overwritten
    #[arg(long, value_name = "FILE", default_value = "trust.json")]
    out: PathBuf,

    #[command(flatten)]
    tls: TlsFiles,
}

pub(crate) async fn run(arguments: TrustArguments) -> Result<Outcome, Failure> {
    let TrustArguments { hub, out, tls } = arguments;
    let hub = tls.address_here(&hub)?;
    let trust = saphan_connector::trust::fetch(&hub).await.map_err(|error| fetch_failure(&error))?;
    let file = TrustBundle {
        hub: trust.hub.clone(),
        operator: None,
        receipts: trust.receipts.clone(),
        vkey: trust.log.clone(),
        more_vkeys: trust.more_logs.clone(),
        broker: None,
        ca: hub.ca_pem().map(ToOwned::to_owned),
    };
    let text = serde_json::to_string_pretty(&file)
        .map_err(|error| Failure::machine(format!("cannot write the keys as JSON: {error}"), "Report this."))?;
    files::write_new(&out, format!("{text}\n").as_bytes(), Readers::All)?;
    let kids: Vec<String> = trust.receipts.iter().map(|key| key.id().to_string()).collect();
    let text = format!(
        "{} is trusted from now on, by what it said itself (trust on first use):\n\n  hub       {}\n  log       {}\n  \
         receipts  {}\n\nCompare the log's key with the one that the hub's operator publishes, before you rely on it.\n",
        out.display(),
        trust.hub,
        trust.log,
        kids.join("\n            "),
    );
    let json = json!({ "file": out, "trust": file, "receipt_kids": kids, "first_use": true });
    Ok(Outcome { exit: Exit::Done, text, json })
}

fn fetch_failure(error: &ConnectorError) -> Failure {
    match error {
        ConnectorError::Address { .. } => {
            Failure::caller(error, "Give the hub's address, such as https://hub.example.")
        }
        ConnectorError::Certificates { .. } => Failure::caller(error, "Give PEM files."),
        ConnectorError::Hub(HubError::Insecure { .. }) => Failure::hub(error, INSECURE_ADVICE),
        _ => Failure::hub(error, "Check the address, and that the hub is running."),
    }
}
