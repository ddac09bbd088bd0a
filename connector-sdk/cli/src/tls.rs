//! Whom to believe over TLS, and what to show: as arguments, and as settings of `saphan.toml`.

use std::path::{Path, PathBuf};

use clap::Args;
use saphan_connector::HubAddress;
use saphan_keys::file;

use crate::outcome::Failure;
use crate::{files, key};

/// Files for the connection to a hub.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TlsFiles {
    /// The CA certificates (PEM) that vouch for the hub, in place of those that this machine trusts
    #[arg(long = "ca", value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,

    /// A client certificate (PEM), for a hub that asks for one
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub(crate) client_certificate: Option<PathBuf>,

    /// The client certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    pub(crate) client_key: Option<PathBuf>,
}

impl TlsFiles {
    /// The hub at `url` with what the files hold; paths are relative to `folder`. `ca` is believed if no file is named.
    pub(crate) fn address(&self, url: &str, folder: &Path, ca: Option<String>) -> Result<HubAddress, Failure> {
        let mut address = HubAddress::new(url);
        let ca = match &self.ca_file {
            Some(file) => Some(files::read_text(&folder.join(file))?),
            None => ca,
        };
        if let Some(ca) = ca {
            address = address.ca(ca);
        }
        match (&self.client_certificate, &self.client_key) {
            (Some(certificate), Some(key)) => {
                let certificate = files::read_text(&folder.join(certificate))?;
                let key = file::read_tls_key(&folder.join(key)).map_err(|error| key::failure(&error))?;
                Ok(address.client_certificate(&certificate, &key))
            }
            (None, None) => Ok(address),
            _ => Err(Failure::caller(
                "one of `client_certificate` and `client_key` is missing",
                "Give both files, or neither.",
            )),
        }
    }

    /// As [`Self::address`], for arguments: relative to where the program runs.
    pub(crate) fn address_here(&self, url: &str) -> Result<HubAddress, Failure> {
        self.address(url, Path::new(""), None)
    }
}

/// What to do when the connection cannot be made safe.
pub(crate) const INSECURE_ADVICE: &str = "Check the address. If the hub's certificate is of the exchange's own CA, give that \
                                          CA's certificates (--ca, or `ca_file`); a hub may also ask for a client certificate.";
