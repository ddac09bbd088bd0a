//! `saphan trust`: a hub's keys, asked from the hub itself once; and those that its operator has added since.

use std::path::{Path, PathBuf};

use clap::Args;
use saphan_connector::hub_api::HubError;
use saphan_connector::{ConnectorError, trust};
use saphan_schemas::registry::HubKeyId;
use saphan_schemas::trust::TrustBundle;
use serde_json::json;

use crate::files::{self, Readers};
use crate::outcome::{Exit, Failure, Outcome};
use crate::tls::{INSECURE_ADVICE, TlsFiles};
use crate::trust_file;

#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// The hub's address
    #[arg(value_name = "URL")]
    hub: String,

    /// Where the keys go; an existing file is never overwritten without --renew
    #[arg(long, value_name = "FILE", default_value = "trust.json")]
    out: PathBuf,

    /// Add to the existing file the keys that the hub's operator has signed since. A running connector does so by itself;
    /// `saphan verify` needs it after the hub's keys were rotated
    #[arg(long)]
    renew: bool,

    #[command(flatten)]
    tls: TlsFiles,
}

pub(crate) async fn run(arguments: TrustArguments) -> Result<Outcome, Failure> {
    if arguments.renew { renew(&arguments).await } else { first_use(&arguments).await }
}

async fn first_use(TrustArguments { hub, out, tls, .. }: &TrustArguments) -> Result<Outcome, Failure> {
    let hub = tls.address_here(hub)?;
    let mut bundle = trust::fetch(&hub).await.map_err(|error| fetch_failure(&error))?;
    bundle.ca = hub.ca_pem().map(ToOwned::to_owned);
    files::write_new(out, trust_file::text(&bundle)?.as_bytes(), Readers::All)?;
    let said = format!("{} is trusted from now on, by what it said itself (trust on first use)", out.display());
    let advice = "Compare the log's key with the one that the hub's operator publishes, before you rely on it.";
    Ok(outcome(out, &bundle, true, &said, advice))
}

async fn renew(TrustArguments { hub, out, tls, .. }: &TrustArguments) -> Result<Outcome, Failure> {
    let bundle = trust_file::read(out)?;
    if bundle.operator.is_none() {
        let what = format!("{} does not name the operator's key, so nobody can vouch for new keys", out.display());
        return Err(Failure::caller(what, "Ask the hub's operator on another way for the keys, and put them there."));
    }
    let hub = tls.address(hub, Path::new(""), bundle.ca.clone())?;
    let renewed = trust::renew(&hub, &bundle.trust()).await.map_err(|error| fetch_failure(&error))?;
    let Some(renewed) = renewed else {
        return Ok(outcome(out, &bundle, false, &format!("{} has all keys of the hub", out.display()), ""));
    };
    let bundle = bundle.with(renewed);
    let text = trust_file::text(&bundle)?;
    files::replace(out, text.as_bytes(), Readers::All).map_err(|error| Failure::unwritable(out, &error))?;
    Ok(outcome(
        out,
        &bundle,
        false,
        &format!("{} has what the hub's operator added or revoked since", out.display()),
        "",
    ))
}

fn outcome(out: &Path, bundle: &TrustBundle, first_use: bool, said: &str, advice: &str) -> Outcome {
    let kids: Vec<String> = bundle.receipts.iter().map(|key| key.id().to_string()).collect();
    let ended = |key: &HubKeyId| if bundle.ended.iter().any(|ended| ended.key == *key) { " (revoked)" } else { "" };
    let shown = |key: &HubKeyId| format!("{key}{}", ended(key));
    let logs: Vec<String> = bundle.vkeys().map(|vkey| shown(&HubKeyId::Log(vkey.clone()))).collect();
    let receipts: Vec<String> = bundle.receipts.iter().map(|key| shown(&HubKeyId::Receipts(key.id()))).collect();
    let separator = "\n            ";
    let mut text = format!(
        "{said}:\n\n  hub       {}\n  log       {}\n  receipts  {}\n",
        bundle.hub,
        logs.join(separator),
        receipts.join(separator),
    );
    if !advice.is_empty() {
        text.push_str(&format!("\n{advice}\n"));
    }
    let json = json!({ "file": out, "trust": bundle, "receipt_kids": kids, "first_use": first_use });
    Outcome { exit: Exit::Done, text, json }
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
