//! An authority of one's own for tests: OpenSSL (Debian package `openssl`) with keys in a temporary folder.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use der::asn1::{Int, ObjectIdentifier, OctetString};
use der::oid::db::rfc5912::ID_SHA_256;
use der::{Any, DateTime, Decode as _, Encode as _, Tag};
use ring::digest::{SHA256, digest};
use tempfile::TempDir;

use crate::asn1::{AlgorithmIdentifier, MessageImprint, PkiStatusInfo, TimeStampReq, TimeStampResp, TstInfo};
use crate::reply::token_in_reply;
use crate::request::TimestampRequest;

/// A CA with a timestamp authority below it, which OpenSSL plays.
#[derive(Debug)]
pub struct TestAuthority {
    folder: TempDir,
    /// One answers after the other: they share the file with the next serial number.
    turn: Mutex<()>,
}

/// What its keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// P-256.
    P256,
    /// P-384.
    P384,
    /// RSA, 2048 bits.
    Rsa,
}

/// A token that no honest authority makes.
#[derive(Debug, Clone, Copy)]
pub struct Forgery<'a> {
    /// The time in it, as a `GeneralizedTime`.
    pub time: &'a str,
    /// The extended key usage of the certificate, as in OpenSSL's configuration; empty for none.
    pub usage: &'a str,
}

impl TestAuthority {
    /// Makes keys and certificates. Those for timestamps are good from 2025 to 2044.
    ///
    /// # Errors
    /// When OpenSSL is not installed, or fails.
    pub fn new(kind: KeyKind) -> io::Result<Self> {
        let authority = Self { folder: TempDir::new()?, turn: Mutex::new(()) };
        let key = match kind {
            KeyKind::P256 => "ec:ec_paramgen_curve:P-256",
            KeyKind::P384 => "ec:ec_paramgen_curve:P-384",
            KeyKind::Rsa => "rsa:rsa_keygen_bits:2048",
        };
        let (algorithm, option) = key.split_once(':').unwrap_or((key, ""));
        for (name, more) in [("ca", &["-x509", "-days", "10"][..]), ("tsa", &[])] {
            let out = if name == "ca" { "ca.pem".to_owned() } else { format!("{name}.csr") };
            let (key, subject) = (format!("{name}.key"), format!("/O=Test/CN=Test {name}"));
            let fixed = ["req", "-newkey", algorithm, "-pkeyopt", option, "-nodes", "-keyout", &key, "-subj", &subject];
            authority.openssl(&[&fixed[..], more, &["-out", &out]].concat(), b"")?;
        }
        for (name, text) in [("ca.cnf", ISSUING), ("index", ""), ("tsa.cnf", CONFIGURATION), ("serial", "01\n")] {
            fs::write(authority.path(name), text)?;
        }
        authority.certify("tsa.pem", TIMESTAMPS)?;
        Ok(authority)
    }

    /// The file with the CA's certificate, in PEM.
    #[must_use]
    pub fn pem(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// The file with its own certificate, which is none of a CA, in PEM.
    #[must_use]
    pub fn own_pem(&self) -> PathBuf {
        self.path("tsa.pem")
    }

    /// Answers a request, as `openssl ts` does: a reply, also if it refuses.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn reply(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        fs::write(self.path("request"), request)?;
        let made = self.openssl(&["ts", "-reply", "-config", "tsa.cnf", "-queryfile", "request", "-out", "reply"], b"");
        // It says with its exit code that it refused.
        let reply = fs::read(self.path("reply"));
        let _ = fs::remove_file(self.path("reply"));
        reply.or(made)
    }

    /// A token on `data`.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn token(&self, data: &[u8]) -> io::Result<Vec<u8>> {
        let request = TimestampRequest::new(data, None).ok_or_else(|| io::Error::other("no request"))?;
        token_in_reply(&self.reply(request.as_der())?).map_err(io::Error::other)
    }

    /// Grants a request as it would at another time, in seconds since 1970.
    ///
    /// # Errors
    /// When the request cannot be read, or OpenSSL fails.
    pub fn reply_at(&self, request: &[u8], time: u64) -> io::Result<Vec<u8>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let request = TimeStampReq::from_der(request).map_err(io::Error::other)?;
        let policy = request.req_policy.unwrap_or(POLICY);
        let info = info(request.message_imprint, policy, &written(time)?, request.nonce).map_err(io::Error::other)?;
        let token = Any::from_der(&self.sign("tsa.pem", &info)?).map_err(io::Error::other)?;
        let status = PkiStatusInfo { status: 0, status_string: None, fail_info: None };
        TimeStampResp { status, time_stamp_token: Some(token) }.to_der().map_err(io::Error::other)
    }

    /// A token on `data` as of another time, in seconds since 1970.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn token_at(&self, data: &[u8], time: u64) -> io::Result<Vec<u8>> {
        let request = TimestampRequest::new(data, None).ok_or_else(|| io::Error::other("no request"))?;
        token_in_reply(&self.reply_at(request.as_der(), time)?).map_err(io::Error::other)
    }

    /// A token that no honest authority makes, signed with its key.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn forge(&self, data: &[u8], forgery: Forgery<'_>) -> io::Result<Vec<u8>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.certify("forger.pem", forgery.usage)?;
        let imprint = MessageImprint {
            hash_algorithm: AlgorithmIdentifier { oid: ID_SHA_256, parameters: None },
            hashed_message: OctetString::new(digest(&SHA256, data).as_ref()).map_err(io::Error::other)?,
        };
        let info = info(imprint, POLICY, forgery.time, None).map_err(io::Error::other)?;
        self.sign("forger.pem", &info)
    }

    /// A token with this content, by its key and that certificate.
    fn sign(&self, certificate: &str, info: &[u8]) -> io::Result<Vec<u8>> {
        let arguments = "cms -sign -binary -nodetach -cades -outform DER -econtent_type 1.2.840.113549.1.9.16.1.4 \
            -md sha256 -inkey tsa.key -signer";
        let arguments: Vec<&str> = arguments.split_whitespace().chain([certificate]).collect();
        self.openssl(&arguments, info)
    }

    fn certify(&self, out: &str, usage: &str) -> io::Result<()> {
        let extensions = if usage.is_empty() { String::new() } else { format!("extendedKeyUsage={usage}\n") };
        fs::write(self.path("extensions"), extensions + "keyUsage=digitalSignature\n")?;
        let fixed = ["ca", "-batch", "-notext", "-config", "ca.cnf", "-in", "tsa.csr", "-extfile", "extensions"];
        let more = ["-startdate", "20250101000000Z", "-enddate", "20450101000000Z", "-out", out];
        self.openssl(&[&fixed[..], &more].concat(), b"").map(drop)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, arguments: &[&str], input: &[u8]) -> io::Result<Vec<u8>> {
        openssl(self.folder.path(), arguments, input)
    }
}

/// Runs OpenSSL's program in a folder.
///
/// # Errors
/// When it is not installed, with the package's name, or fails.
pub fn openssl(folder: &Path, arguments: &[&str], input: &[u8]) -> io::Result<Vec<u8>> {
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("openssl (Debian package openssl): {error}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Whoever does not read it has closed it.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(io::Error::other(format!("openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr))))
}

/// A time as a `GeneralizedTime`.
fn written(time: u64) -> io::Result<String> {
    let time = DateTime::from_unix_duration(std::time::Duration::from_secs(time)).map_err(io::Error::other)?;
    let (year, month, day) = (time.year(), time.month(), time.day());
    let (hour, minutes, seconds) = (time.hour(), time.minutes(), time.seconds());
    Ok(format!("{year:04}{month:02}{day:02}{hour:02}{minutes:02}{seconds:02}Z"))
}

fn info(imprint: MessageImprint, policy: ObjectIdentifier, time: &str, nonce: Option<Int>) -> der::Result<Vec<u8>> {
    let info = TstInfo {
        version: 1,
        policy,
        message_imprint: imprint,
        serial_number: Int::new(&[7])?,
        gen_time: Any::new(Tag::GeneralizedTime, time.as_bytes())?,
        accuracy: None,
        ordering: false,
        nonce,
        tsa: None,
        extensions: None,
    };
    info.to_der()
}

/// What the certificate of an honest authority is for.
pub const TIMESTAMPS: &str = "critical,timeStamping";
const POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.3.4.1");
/// How certificates are issued.
const ISSUING: &str = "\
[ca]
default_ca = here
[here]
database = index
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
organizationName = supplied
commonName = supplied
";
/// It takes no SHA-512, so that there is something that it refuses.
const CONFIGURATION: &str = "\
[tsa]
default_tsa = here
[here]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
certs = ca.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
other_policies = 1.2.3.4.2
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
";
