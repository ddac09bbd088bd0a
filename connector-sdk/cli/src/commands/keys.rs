//! `saphan keys`: the key that a system signs with.

mod registered;
mod rotation;

pub(super) use self::registered::others;

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use saphan_keys::KeySource;
use saphan_schemas::keys::PublicKey;
use serde_json::json;

use crate::key::{self, PassphraseArguments, TokenArguments};
use crate::outcome::{Exit, Failure, Outcome};

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make an ES256 key, readable by its owner only; an existing file is never overwritten
    New(NewArguments),
    /// Show the public half of a key, as the hub's registry takes it
    Show(ShowArguments),
    /// Show all keys of the system at the hub, from when to when they are good, and which is the one of this configuration
    List(registered::ListArguments),
    /// Make another key, register it at the hub, and sign with it from then on; the old one stays good until it is revoked
    Rotate(rotation::RotateArguments),
    /// Revoke a key of the system, or all but its own, at once and for ever; what it signed before stays valid
    Revoke(rotation::RevokeArguments),
}

#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// Where the private key goes (PEM, PKCS #8, mode 0600)
    #[arg(long, value_name = "FILE", default_value = "saphan.key.pem", conflicts_with = "pkcs11_module")]
    out: PathBuf,

    #[command(flatten)]
    passphrase: PassphraseArguments,

    #[command(flatten)]
    token: TokenArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// The private key's file
    #[arg(value_name = "FILE", required_unless_present = "pkcs11_module", conflicts_with = "pkcs11_module")]
    file: Option<PathBuf>,

    /// The file whose first line is the passphrase of the key's file
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,

    #[command(flatten)]
    token: TokenArguments,
}

pub(crate) async fn run(command: KeysCommand) -> Result<Outcome, Failure> {
    match command {
        KeysCommand::New(arguments) => new(arguments),
        KeysCommand::Show(ShowArguments { file, passphrase_file, token }) => {
            let source = token.key().map(KeySource::Token).or(file.map(KeySource::File));
            let source = source.ok_or_else(|| Failure::caller("no key is named", "Give its file."))?;
            shown(key::open(&source, passphrase_file.as_deref())?.public())
        }
        KeysCommand::List(arguments) => registered::list(arguments).await,
        KeysCommand::Rotate(arguments) => rotation::rotate(arguments).await,
        KeysCommand::Revoke(arguments) => rotation::revoke(arguments).await,
    }
}

fn new(NewArguments { out, passphrase, token }: NewArguments) -> Result<Outcome, Failure> {
    if let Some(token) = token.key() {
        let mut outcome = shown(&key::make_in_token(&token)?)?;
        let line = key::toml_line(&KeySource::Token(token))?;
        outcome.text = format!(
            "The private key is in the token and cannot be read out of it. In saphan.toml:\n\n  {line}\n\n{}",
            outcome.text
        );
        outcome.json["key"] = json!(line);
        return Ok(outcome);
    }
    let passphrase = passphrase.of_new_key()?;
    let key = key::make(&out, passphrase.as_ref())?;
    let mut outcome = shown(key.public())?;
    let how = if passphrase.is_some() { ", under the passphrase" } else { "" };
    outcome.text =
        format!("The private key is in {}{how}. It must not leave this machine.\n\n{}", out.display(), outcome.text);
    outcome.json["file"] = json!(out);
    outcome.json["protected"] = json!(passphrase.is_some());
    Ok(outcome)
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

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The line of a `[[system]]` section in the hub's registry file.
fn registry_line(jwk: &serde_json::Value) -> String {
    // JSON strings of a JWK are TOML strings as they are: base64 needs no escapes in either.
    let members = ["kty", "crv", "x", "y"].map(|member| format!("{member} = {}", jwk[member]));
    format!("keys = [{{ {} }}]", members.join(", "))
}

#[cfg(test)]
mod tests {
    use saphan_schemas::keys::SigningKey;

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
