//! `saphan audit sign-in`: a token for the sign-in page of a hub's console. The key stays where it is.

use std::path::PathBuf;

use clap::Args;
use saphan_schemas::auth::{AuthClaims, CONSOLE_METHOD, CONSOLE_PATH, MAX_TOKEN_AGE_SECONDS};
use saphan_schemas::jws::Signed;
use serde_json::json;

use crate::commands::keys::now;
use crate::config::Config;
use crate::outcome::{Exit, Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct SignInArguments {
    /// The connection to the hub, of a system of role `auditor`
    #[arg(long, value_name = "FILE", default_value = "saphan.toml", env = "SAPHAN_CONFIG")]
    config: PathBuf,
}

pub(crate) fn run(arguments: &SignInArguments) -> Result<Outcome, Failure> {
    let config = Config::read(&arguments.config)?;
    let (issuer, hub) = (config.system().to_string(), config.trust().hub.clone());
    let claims = AuthClaims::new(issuer, hub, now(), CONSOLE_METHOD, CONSOLE_PATH);
    let token = Signed::sign(claims, config.signer()).map_err(|error| {
        Failure::machine(format!("the key does not sign: {error}"), "Check the key, or the device that it is in.")
    })?;
    let (token, page) = (token.as_str(), format!("{}/console", config.hub()));
    let text = format!(
        "{token}\n\nPaste this token within {MAX_TOKEN_AGE_SECONDS} seconds at {page}\nIt opens one session. Give it to nobody.\n"
    );
    let json = json!({ "token": token, "page": page, "seconds": MAX_TOKEN_AGE_SECONDS });
    Ok(Outcome { exit: Exit::Done, text, json })
}
