//! `saphan-hub broker config`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

use super::{ConfigArguments, run};
use crate::broker::configuration::{BrokerFiles, BrokerSetup, BrokerTls};

/// Files are named as they are on the broker's machine.
#[derive(Debug, Args)]
pub(super) struct BrokerArguments {
    /// Where the broker reaches the hub, with its name; default: on the same machine.
    #[arg(long, value_name = "URL")]
    hub_url: Option<String>,
    /// The certificates (PEM) of the authorities that may vouch for the hub.
    #[arg(long, value_name = "FILE", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    hub_ca: PathBuf,
    /// The broker's certificate (PEM), with those between it and its authority.
    #[arg(long, value_name = "FILE", requires_all = ["key", "ca"])]
    certificate: Option<PathBuf>,
    /// The broker's private key (PEM).
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// The authority of the broker's certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "certificate")]
    ca: Option<PathBuf>,
    /// Write the files rabbitmq.conf, advanced.config and enabled_plugins into this folder instead of printing them.
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArguments,
}

pub(super) fn config(arguments: &BrokerArguments) -> anyhow::Result<()> {
    let config = run::load(&arguments.config.config)?;
    let tls = match (&arguments.certificate, &arguments.key, &arguments.ca) {
        (Some(certificate), Some(key), Some(ca)) => {
            Some(BrokerTls { certificate: certificate.clone(), key: key.clone(), ca: ca.clone() })
        }
        _ => None,
    };
    let listen = config.hub.listen;
    let hub_url = match (&arguments.hub_url, config.tls.is_on()) {
        (Some(url), _) => url.clone(),
        (None, false) => format!("http://{listen}"),
        (None, true) if listen.ip().is_loopback() => format!("https://localhost:{}", listen.port()),
        (None, true) => {
            bail!("say under which name the broker reaches the hub: --hub-url https://NAME:{}", listen.port())
        }
    };
    let setup = BrokerSetup { hub_url, hub_ca: arguments.hub_ca.clone(), tls };
    let BrokerFiles { rabbitmq_conf, advanced_config, enabled_plugins } = BrokerFiles::new(&config, &setup)?;
    let files =
        [("rabbitmq.conf", rabbitmq_conf), ("advanced.config", advanced_config), ("enabled_plugins", enabled_plugins)];
    for (name, text) in files {
        match &arguments.write {
            None => print!("===== /etc/rabbitmq/{name}\n{text}\n"),
            Some(folder) => {
                let file = folder.join(name);
                fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
            }
        }
    }
    Ok(())
}
