//! `saphan-hub init`.

use std::fs::{self, DirBuilder};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use saphan_schemas::ids::HubId;

use super::run;
use crate::config::DEFAULT;
use crate::keys::HubKeys;

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
    crate::config::Config::parse(&text, std::iter::empty())?;
    HubKeys::create(&data)?;
    fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    let config = run::load(&file)?;
    println!("made {}: hub {}, log {}", file.display(), config.hub.id, config.origin());
    println!("keep a copy of the keys in {} apart from this machine", data.display());
    Ok(())
}
