//! `saphan keys`: the key that a system signs with.

mod rotation;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use saphan_schemas::keys::{PublicKey, SigningKey};
use serde_json::json;

use crate::config::read_key;
use crate::files::{self, Readers};
use crate::outcome::{Exit, Failure, Outcome};

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make an ES256 key, readable by its owner only; an existing file is never overwritten
    New(NewArguments),
    /// Show the public half of a key, as the hub's registry takes it
    Show(ShowArguments),
    /// Make another key, register it at the hub, and sign with it from then on; the old one stays good until it is revoked
    Rotate(rotation::RotateArguments),
    /// Revoke a key of the system, at once and for ever; what it signed before stays valid
    Revoke(rotation::RevokeArguments),
}

#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// Where the private key goes (PEM, PKCS #8, mode 0600)
    #[arg(long, value_name = "FILE", default_value = "saphan.key.pem")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// The private key's file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) async fn run(command: KeysCommand) -> Result<Outcome, Failure> {
    match command {
        KeysCommand::New(NewArguments { out }) => {
            let (key, pem) = SigningKey::generate()
                .map_err(|error| Failure::machine(format!("cannot make a key: {error}"), "Try again."))?;
            files::write_new(&out, pem.as_bytes(), Readers::Owner)?;
            let mut outcome = shown(key.public())?;
            outcome.text =
                format!("The private key is in {}. It must not leave this machine.\n\n{}", out.display(), outcome.text);
            outcome.json["file"] = json!(out);
            Ok(outcome)
        }
        KeysCommand::Show(ShowArguments { file }) => shown(read_key(&file)?.public()),
        KeysCommand::Rotate(arguments) => rotation::rotate(arguments).await,
        KeysCommand::Revoke(arguments) => rotation::revoke(arguments).await,
    }
}

fn shown(key: &PublicKey) -> Result<Outcome, Failure> {
    let jwk = serde_json::to_value(key)
        .map_err(|error| Failure::machine(format!("cannot write the key as JSON: {error}"), "Report this."))?;
    let toml = registry_line(&jwk);
    let text = format!(
        "The public key, for the hub's operator:\n\n  kid   {}\n  jwk   {jwk}\n\nin the registry file, below the \
         [[system]] it belongs to:\n\n  {toml}\n",
        key.id()
    );
    Ok(Outcome { exit: Exit::Done, text, json: json!({ "kid": key.id(), "jwk": jwk, "registry": toml }) })
}

/// The line of a `[[system]]` section in the hub's registry file.
fn registry_line(jwk: &serde_json::Value) -> String {
    // JSON strings of a JWK are TOML strings as they are: base64 needs no escapes in either.
    let members = ["kty", "crv", "x", "y"].map(|member| format!("{member} = {}", jwk[member]));
    format!("keys = [{{ {} }}]", members.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_line_reads_back_as_the_key() {
        #[derive(serde::Deserialize)]
        struct Section {
            keys: Vec<PublicKey>,
        }
        let (key, _) = SigningKey::generate().unwrap();
        let line = shown(key.public()).unwrap().json["registry"].as_str().unwrap().to_owned();
        assert_eq!(toml::from_str::<Section>(&line).unwrap().keys, [*key.public()]);
    }
}
