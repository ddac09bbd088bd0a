//! `saphan-hub init`.

use std::fs::{self, DirBuilder};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use saphan_schemas::ids::HubId;

use super::run;
use crate::config::DEFAULT;
use crate::keys::KeyStore;
use crate::tls::development;

#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// The folder to make.
    dir: PathBuf,
    /// The hub's name, for ever.
    #[arg(long, default_value = "hub.local")]
    id: HubId,
    /// The log's shard.
    #[arg(long, default_value = "main")]
    shard: String,
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:8470")]
    listen: SocketAddr,
    /// Protect the keys with the passphrase in the first line of this file; the hub reads it there at each start.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Make a CA and certificates for development, and serve HTTPS with them. Never for people's data.
    #[arg(long)]
    dev: bool,
    /// With --dev: another name or address that the certificates are for, beside this machine's; may be given more than once.
    #[arg(long = "host", value_name = "NAME", requires = "dev")]
    hosts: Vec<String>,
}

pub(super) fn init(arguments: &InitArguments) -> anyhow::Result<()> {
    let file = arguments.dir.join("hub.toml");
    if file.exists() {
        bail!("{} exists already; a hub is made once", file.display());
    }
    let data = arguments.dir.join("data");
    // Keys and people's data: for this user alone.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&data);
    made.with_context(|| format!("{} cannot be made", data.display()))?;
    let text = DEFAULT
        .replace(r#"id = "hub.local""#, &format!(r#"id = "{}""#, arguments.id))
        .replace(r#"listen = "127.0.0.1:8470""#, &format!(r#"listen = "{}""#, arguments.listen))
        .replace(r#"shard = "main""#, &format!(r#"shard = "{}""#, arguments.shard));
    let text = match &arguments.passphrase_file {
        Some(file) => text.replace(r#"passphrase_file = """#, &format!("passphrase_file = {}", absolute(file)?)),
        None => text,
    };
    let text = if arguments.dev { with_development_certificate(&text) } else { text };
    let config = crate::config::Config::parse(&text, std::iter::empty())?;
    KeyStore { folder: data.clone(), ..config.key_store() }.create()?;
    let certificates = data.join("tls");
    if arguments.dev {
        development::create(&certificates, &hosts(arguments))?;
    }
    fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    let config = run::load(&file)?;
    println!("made {}: hub {}, log {}", file.display(), config.hub.id, config.origin());
    println!("keep a copy of the keys in {} apart from this machine", data.display());
    if arguments.dev {
        println!("for development only: connectors trust it by {}", certificates.join("ca.pem").display());
    }
    Ok(())
}

/// As a TOML string: the configuration's own folder is another one.
fn absolute(file: &Path) -> anyhow::Result<toml::Value> {
    let path = std::path::absolute(file).with_context(|| format!("{} is no path", file.display()))?;
    let path = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    Ok(toml::Value::String(path.to_owned()))
}

/// Those that were asked for, and the address that it listens on.
fn hosts(arguments: &InitArguments) -> Vec<String> {
    let ip = arguments.listen.ip();
    let own = (!ip.is_unspecified() && !ip.is_loopback()).then(|| ip.to_string());
    arguments.hosts.iter().cloned().chain(own).collect()
}

fn with_development_certificate(text: &str) -> String {
    text.replace(
        r#"certificate = """#,
        "# FOR DEVELOPMENT ONLY: made by `saphan-hub init --dev`, with the CA in data/tls. A hub for people's data needs a\n\
         # certificate of a CA that its agencies trust.\n\
         certificate = \"data/tls/hub.pem\"",
    )
    .replace("\nkey = \"\"\n", "\nkey = \"data/tls/hub.key.pem\"\n")
    .replace("\nca = \"\"\n", "\nca = \"data/tls/ca.pem\"\n")
}
