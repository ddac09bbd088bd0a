//! `saphan join`: from an invitation's code to a system that can send and listen.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use saphan_connector::membership::{Joined, join};
use saphan_keys::KeySource;
use saphan_schemas::invitation::InvitationCode;
use saphan_schemas::keys::Signer;
use saphan_schemas::registry::TransportKind;
use serde_json::json;

use super::membership_failure;
use crate::files::{self, Readers};
use crate::key::{self, PassphraseArguments, TokenArguments};
use crate::outcome::{Exit, Failure, Outcome};
use crate::tls::TlsFiles;
use crate::trust_file;

#[derive(Debug, Args)]
pub(crate) struct JoinArguments {
    /// The hub's address, e.g. https://hub.example
    #[arg(value_name = "URL")]
    hub: String,

    /// The invitation's code, or - to read it from standard input
    #[arg(value_name = "CODE")]
    code: String,

    /// Where the private key goes (PEM, PKCS #8, mode 0600). A key that is there already joins, so that a join whose answer was
    /// lost can be repeated
    #[arg(long, value_name = "FILE", default_value = "saphan.key.pem", conflicts_with = "pkcs11_module")]
    key: PathBuf,

    #[command(flatten)]
    passphrase: PassphraseArguments,

    #[command(flatten)]
    token: TokenArguments,

    /// Where the connection goes; an existing file is never overwritten. The hub's keys go to trust.json beside it; one
    /// that is there must say the same keys
    #[arg(long, value_name = "FILE", default_value = "saphan.toml")]
    config: PathBuf,

    #[command(flatten)]
    tls: TlsFiles,
}

pub(crate) async fn run(arguments: JoinArguments) -> Result<Outcome, Failure> {
    let code = read_code(&arguments.code)?;
    let trust_path = arguments.config.with_file_name("trust.json");
    // It is written last: a trust.json alone is left over from a join that was cut off.
    if arguments.config.exists() {
        let what = format!("{} exists already: this folder has joined a hub", arguments.config.display());
        return Err(Failure::caller(what, "Join in another folder, or move the files away."));
    }
    // The key must be safe before the hub hears of it.
    let source = arguments.token.key().map_or_else(|| KeySource::File(arguments.key.clone()), KeySource::Token);
    let key = key(&source, &arguments.passphrase)?;
    let kid = key.public().id();
    let hub = arguments.tls.address_here(&arguments.hub)?;
    let mut joined = join(&hub, &code, key).await.map_err(|error| membership_failure(&error))?;
    if let Some(ca) = hub.ca_pem() {
        joined.trust.ca = Some(ca.to_owned());
    }
    if trust_path.exists() && trust_file::read(&trust_path)?.trust() != joined.trust.trust() {
        let what = format!("{} says other keys than the hub; nothing was written", trust_path.display());
        let advice = "If it is of another connection, move it away and run the same command again: the code stays good for this key. \
                      If not, ask the hub's operator on another way which keys are right.";
        return Err(Failure::caller(what, advice));
    }
    let trust = trust_file::text(&joined.trust)?;
    files::replace(&trust_path, trust.as_bytes(), Readers::All)
        .map_err(|error| Failure::unwritable(&trust_path, &error))?;
    let config = config_text(&arguments, &source, &joined)?;
    files::replace(&arguments.config, config.as_bytes(), Readers::All)
        .map_err(|error| Failure::unwritable(&arguments.config, &error))?;
    let text = format!(
        "joined {} as {}\n\n  key      {} ({kid}); it must not leave this machine\n  config   {}\n  trust    {}\n  log      {}\n\n\
         Compare the log's key with the one that the hub's operator publishes. Next: `saphan doctor` checks the connection,\n\
         `saphan agreements list` shows what may be sent.\n",
        joined.trust.hub,
        joined.system,
        source,
        arguments.config.display(),
        trust_path.display(),
        joined.trust.vkey,
    );
    let json = json!({
        "hub": joined.trust.hub, "system": joined.system, "kid": kid, "key": source.to_string(), "config": arguments.config,
        "trust": trust_path, "transport": joined.transport,
    });
    Ok(Outcome { exit: Exit::Done, text, json })
}

fn read_code(text: &str) -> Result<InvitationCode, Failure> {
    let given = if text == "-" {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        read.map_err(|error| Failure::unreadable(Path::new("-"), &error))?;
        line
    } else {
        text.to_owned()
    };
    given.parse().map_err(|error| Failure::caller(error, "Copy the whole code that `saphan-hub invite` printed."))
}

/// The key that is there, or a new one.
fn key(source: &KeySource, passphrase: &PassphraseArguments) -> Result<Arc<dyn Signer>, Failure> {
    match source {
        KeySource::Token(token) => key::open_or_make_in_token(token),
        KeySource::File(path) if path.exists() => key::open(source, passphrase.passphrase_file.as_deref()),
        KeySource::File(path) => Ok(Arc::new(key::make(path, passphrase.of_new_key()?.as_ref())?)),
    }
}

fn config_text(arguments: &JoinArguments, source: &KeySource, joined: &Joined) -> Result<String, Failure> {
    let quote = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut text = format!(
        "# Written by `saphan join`. `saphan.sample.toml` documents every setting.\nsystem = {}\nhub = {}\n{}\n\
         data_dir = \"data\"\ntrust_file = \"trust.json\"\n",
        quote(joined.system.as_str()),
        quote(arguments.hub.trim_end_matches('/')),
        key::toml_line(&seen_from(&arguments.config, source))?,
    );
    if let Some(file) = &arguments.passphrase.passphrase_file {
        text.push_str(&format!("key_passphrase_file = {}\n", quote(&key::absolute(file).display().to_string())));
    }
    let TlsFiles { client_certificate, client_key, .. } = &arguments.tls;
    for (setting, file) in [("client_certificate", client_certificate), ("client_key", client_key)] {
        if let Some(file) = file {
            let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
            text.push_str(&format!("{setting} = {}\n", quote(&file.display().to_string())));
        }
    }
    match joined.transport {
        TransportKind::Pull => text.push_str("transport = \"pull\"\n"),
        TransportKind::Amqp => text.push_str("transport = \"amqp\"\n"),
    }
    Ok(text)
}

/// Relative paths of a configuration are relative to its folder.
fn seen_from(config: &Path, source: &KeySource) -> KeySource {
    let KeySource::File(path) = source else { return source.clone() };
    let path = key::absolute(path);
    let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = path.parent() == Some(&*key::absolute(folder));
    KeySource::File(if beside { path.file_name().map(PathBuf::from).unwrap_or(path) } else { path })
}
