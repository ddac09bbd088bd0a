//! The calls of an auditor, each with a token of its own.

use std::error::Error as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use reqwest::header::ACCEPT;
use reqwest::{Client, Response};
use saphan_schemas::auth::AuthClaims;
use saphan_schemas::jws::Signed;
use saphan_schemas::problem::ProblemDocument;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::commands::keys::now;
use crate::commands::start_failure;
use crate::config::Config;
use crate::files::Readers;
use crate::outcome::Failure;

/// A hub, asked by an auditor.
pub(super) struct AuditedHub {
    client: Client,
    config: Config,
}

impl AuditedHub {
    pub(super) fn new(config: Config) -> Result<Self, Failure> {
        let client = config.http_client().map_err(|error| start_failure(&error))?;
        Ok(Self { client, config })
    }

    /// Asks, and reads the answer.
    pub(super) async fn ask<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        let answer = self.call(path, body, "application/json", ANSWERED_WITHIN).await?;
        answer.json().await.map_err(|error| unreachable(&error))
    }

    /// Asks, and writes the answer into a file that is not there yet.
    pub(super) async fn save(&self, path: &str, body: &Value, accept: &str, to: &Path) -> Result<(), Failure> {
        let mut options = OpenOptions::new();
        // It says who dealt with whom.
        options.write(true).create_new(true).mode(Readers::Owner as u32);
        let mut file = options.open(to).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                let what = format!("{} exists already, and is not overwritten", to.display());
                Failure::caller(what, "Choose another name with --export, or move the file away.")
            }
            _ => Failure::unwritable(to, &error),
        })?;
        let saved = async {
            let mut answer = self.call(path, body, accept, SAVED_WITHIN).await?;
            while let Some(piece) = answer.chunk().await.map_err(|error| unreachable(&error))? {
                file.write_all(&piece).map_err(|error| Failure::unwritable(to, &error))?;
            }
            file.sync_all().map_err(|error| Failure::unwritable(to, &error))
        };
        let saved = saved.await;
        if saved.is_err() {
            // Half a file would only stand in the way; the first error is the one to tell.
            let _ = std::fs::remove_file(to);
        }
        saved
    }

    async fn call(&self, path: &str, body: &Value, accept: &str, within: Duration) -> Result<Response, Failure> {
        let (issuer, hub) = (self.config.system().to_string(), self.config.trust().hub.clone());
        let claims = AuthClaims::new(issuer, hub, now(), "POST", path);
        let token = Signed::sign(claims, self.config.signer()).map_err(|error| {
            Failure::machine(format!("the key does not sign: {error}"), "Check the key, or the device that it is in.")
        })?;
        let request = self.client.post(format!("{}{path}", self.config.hub())).timeout(within);
        let request = request.bearer_auth(token.as_str()).header(ACCEPT, accept).json(body);
        let answer = request.send().await.map_err(|error| unreachable(&error))?;
        if answer.status().is_success() { Ok(answer) } else { Err(refused(answer).await) }
    }
}

async fn refused(answer: Response) -> Failure {
    let status = answer.status().as_u16();
    let Ok(document) = answer.json::<ProblemDocument>().await else {
        return Failure::hub(format!("the answer has status {status} and cannot be read"), "Check the address.");
    };
    let detail = document.detail.as_ref().map(|detail| format!("; {detail}")).unwrap_or_default();
    let what = format!("the hub refused: {} ({}){detail}", document.title, document.code);
    match (document.retry, document.code.as_str()) {
        (true, _) => Failure::hub(what, "Try again later."),
        (false, "forbidden") => {
            Failure::refused(what, "Ask the hub's operator to give this system the role `auditor`.")
        }
        _ => Failure::refused(what, "Do what it says."),
    }
}

fn unreachable(error: &reqwest::Error) -> Failure {
    // Its cause says more than the library's own words, which name the address.
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Failure::hub(format!("the hub is not reached, or broke off{cause}"), "Check the address, and try again.")
}

/// A hub lets its index catch up first.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);
/// For the longest export.
const SAVED_WITHIN: Duration = Duration::from_secs(6 * 3600);
