//! The evidence: the log and one message, checked as a stranger would, and the export for strangers.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail, ensure};
use saphan_cli::log_check::{self, HttpLog, LogReport};
use saphan_cli::message_check::{self, MessageReport, TrustedKeys};
use saphan_schemas::keys::JwkSet;

use super::bars::Bars;
use super::exchange::Exchange;
use crate::registry;

/// The key sets that the hub publishes, as texts.
pub(super) struct PublishedKeys {
    hub: String,
    systems: Vec<(&'static str, String)>,
}

/// Makes the folder of the export, and refuses one that cannot be written into. One that holds something is refused as well:
/// files of two runs do not belong together.
pub(super) fn prepare(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    ensure!(folder.is_dir() || !folder.exists(), "{shown} is not a folder; name a new folder for the export");
    fs::create_dir_all(folder).with_context(|| format!("cannot make {shown}"))?;
    let mut entries = fs::read_dir(folder).with_context(|| format!("cannot read {shown}"))?;
    ensure!(entries.next().is_none(), "{shown} is not empty; name a new folder for the export");
    tempfile::tempfile_in(folder).with_context(|| format!("cannot write into {shown}"))?;
    Ok(())
}

/// Fetches the whole log over HTTP and checks all of it; with `export`, keeps the files below `log/`.
pub(super) async fn check_log(exchange: &Exchange, export: Option<&Path>, bars: &Bars) -> anyhow::Result<LogReport> {
    let (source, vkey) = (HttpLog::new(exchange.address())?, &exchange.trust.log);
    let checked = match export {
        Some(folder) => log_check::check_and_export(&source, vkey, bars, &folder.join("log")).await,
        None => log_check::check(&source, vkey, bars).await,
    };
    checked.map_err(|error| {
        let what = if error.is_verdict() { "the log does not hold" } else { "the log could not be checked" };
        // Its words hold its cause already.
        anyhow!("{what}: {error}")
    })
}

pub(super) async fn fetch_keys(exchange: &Exchange) -> anyhow::Result<PublishedKeys> {
    let client = saphan_connector::http_client(&exchange.address())?;
    let fetch = async |path: &str| -> anyhow::Result<String> {
        let response = client.get(format!("{}{path}", exchange.url())).send().await?;
        Ok(response.error_for_status()?.text().await?)
    };
    let hub = fetch("/v1/keys").await?;
    let mut systems = Vec::new();
    for system in registry::SYSTEMS.into_iter().chain(registry::ONCE_ONLY_SYSTEMS).chain([registry::ONCE_ONLY]) {
        systems.push((system, fetch(&format!("/v1/systems/{system}/keys")).await?));
    }
    Ok(PublishedKeys { hub, systems })
}

/// Verifies the first message that was delivered, with all its parts, as `saphan verify` does.
pub(super) fn verify_one(exchange: &Exchange, keys: &PublishedKeys) -> anyhow::Result<MessageReport> {
    let hub: JwkSet = serde_json::from_str(&keys.hub).context("the hub's keys cannot be read")?;
    let mut trusted = TrustedKeys::new(hub, exchange.trust.log.clone())?;
    for (system, set) in &keys.systems {
        trusted
            .add_sender(serde_json::from_str(set).with_context(|| format!("the keys of {system} cannot be read"))?)?;
    }
    let all = exchange.records.all();
    let first = all.first().context("no message was delivered")?;
    let report = message_check::check_message(&first.file, &trusted, None);
    if !report.verified {
        bail!("message {} does not verify: {:?}", first.id, report.checks);
    }
    Ok(report)
}

/// Writes the messages and the keys; the log is there already.
pub(super) fn export(exchange: &Exchange, keys: &PublishedKeys, folder: &Path) -> anyhow::Result<()> {
    let (messages, key_folder) = (folder.join("messages"), folder.join("keys"));
    for folder in [&messages, &key_folder] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let write =
        |path: &Path, text: &str| fs::write(path, text).with_context(|| format!("cannot write {}", path.display()));
    for kept in exchange.records.all() {
        write(&messages.join(format!("{}.saphan.json", kept.id)), &serde_json::to_string(&kept.file)?)?;
    }
    write(&key_folder.join("hub.jwks.json"), &keys.hub)?;
    for (system, set) in &keys.systems {
        write(&key_folder.join(format!("{}.jwks.json", system.replace('/', "__"))), set)?;
    }
    Ok(())
}
