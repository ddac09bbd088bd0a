//! A private hub: its own process, in a temporary folder, on a free loopback port.
//!
//! It may be killed and started again at will, on the same data and the same port.

use std::fmt;
use std::io::{self, BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, ExitStatus};
use std::time::Duration;

use saphan_connector::HubAddress;
use saphan_schemas::ids::SystemId;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::port;
use super::process_group::ProcessGroup;
use super::rabbitmq::NodeFiles;

/// The program that is the hub: `saphan-hub`, or one that has its command line built in.
#[derive(Debug, Clone)]
pub struct HubProgram {
    /// The file to run.
    pub program: PathBuf,
    /// What comes before the hub's own arguments.
    pub args: Vec<String>,
}

/// How a hub is to be.
#[derive(Clone)]
pub struct HubOptions {
    /// The program.
    pub program: HubProgram,
    /// The registry file, TOML.
    pub registry: String,
    /// The broker's address; `None`: systems pull.
    pub broker: Option<String>,
    /// Whether it serves HTTPS, with a certificate of its own development CA: [`HubProcess::ca`].
    pub tls: bool,
    /// Other settings, by their environment variable, e.g. `SAPHAN_HUB__INBOX__LEASE_SECONDS`.
    pub settings: Vec<(&'static str, String)>,
}

/// A hub that runs, or can be started again. Dropping it kills it and removes its folder.
pub struct HubProcess {
    // Declared in the order in which they must go: the process before the folder it writes to.
    process: Option<ProcessGroup>,
    folder: TempDir,
    options: HubOptions,
    url: String,
    ca: Option<String>,
}

/// The hub could not be made or started, or did not do as told.
#[derive(Debug, thiserror::Error)]
pub enum HubProcessError {
    /// A file, port or process of the hub could not be used.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was attempted.
        what: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
    /// One of the hub's commands failed.
    #[error("`saphan-hub {command}` failed ({status}): {says}")]
    Command {
        /// The command.
        command: &'static str,
        /// Its exit status.
        status: ExitStatus,
        /// What it wrote to standard error.
        says: String,
    },
    /// The hub ended while it started, or did not become ready.
    #[error("the hub {what}; the end of its log:\n{log_tail}")]
    NotReady {
        /// What it did.
        what: &'static str,
        /// The last lines of its log.
        log_tail: String,
    },
    /// The hub did not stop in good order.
    #[error("the hub did not stop in good order ({how}); the end of its log:\n{log_tail}")]
    BadStop {
        /// Its exit status, or that there was none.
        how: String,
        /// The last lines of its log.
        log_tail: String,
    },
    /// It is down.
    #[error("the hub is not running")]
    Down,
}

impl HubProgram {
    /// This very program, which must run the hub's command line when its first argument is `hub`.
    ///
    /// # Errors
    /// The operating system does not say which file this program is.
    pub fn this_program() -> io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, args: vec!["hub".to_owned()] })
    }

    /// `saphan-hub` itself.
    #[must_use]
    pub const fn saphan_hub(program: PathBuf) -> Self {
        Self { program, args: Vec::new() }
    }
}

impl HubOptions {
    /// A hub with this registry, from which systems pull.
    #[must_use]
    pub const fn new(program: HubProgram, registry: String) -> Self {
        Self { program, registry, broker: None, tls: false, settings: Vec::new() }
    }
}

impl Drop for HubProcess {
    fn drop(&mut self) {
        super::keep_log("hub", &self.log_file());
    }
}

impl HubProcess {
    /// Makes a hub in a temporary folder, applies its registry, starts it, and returns when it accepts messages.
    ///
    /// # Errors
    /// [`HubProcessError`].
    pub async fn start(options: HubOptions) -> Result<Self, HubProcessError> {
        let folder = tempfile::Builder::new().prefix("saphan-hub-").tempdir().map_err(io("make a folder"))?;
        let port = port::free().map_err(io("find a free port"))?;
        let listen = format!("{}:{port}", Ipv4Addr::LOCALHOST);
        let (scheme, dev) = if options.tls { ("https", Some("--dev")) } else { ("http", None) };
        let mut hub = Self { process: None, folder, options, url: format!("{scheme}://{listen}"), ca: None };
        let home = hub.home().display().to_string();
        let init: Vec<&str> = ["init", &home, "--listen", &listen].into_iter().chain(dev).collect();
        hub.run("init", &init).await?;
        if hub.options.tls {
            let ca = tokio::fs::read_to_string(hub.certificates().join("ca.pem")).await;
            hub.ca = Some(ca.map_err(io("read the hub's CA"))?);
        }
        let registry = hub.options.registry.clone();
        hub.apply(&registry).await?;
        hub.restart().await?;
        Ok(hub)
    }

    /// Its address, `http://127.0.0.1:port`, or `https://…` with TLS.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// With TLS, the certificate of the CA to believe it by (PEM).
    #[must_use]
    pub fn ca(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// Its address as a connector takes it: the URL, and with TLS the CA.
    pub fn address(&self) -> HubAddress {
        let address = HubAddress::new(&self.url);
        match &self.ca {
            Some(ca) => address.ca(ca),
            None => address,
        }
    }

    /// With TLS, the folder of its certificates, those for the broker's node among them.
    #[must_use]
    pub fn certificates(&self) -> PathBuf {
        self.home().join("data").join("tls")
    }

    /// Its process id, or `None` while it is down.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(ProcessGroup::id)
    }

    /// The folder that holds all that it writes: `hub/hub.toml`, `hub/data`, `hub.log`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file with its log.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.folder.path().join("hub.log")
    }

    /// The last lines of its log, for error messages.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = std::fs::read(self.log_file()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }

    /// Applies a registry file, whether the hub runs or not.
    ///
    /// # Errors
    /// [`HubProcessError::Command`] with what the hub says about it.
    pub async fn apply(&self, registry: &str) -> Result<(), HubProcessError> {
        let file = self.folder.path().join("registry.toml");
        tokio::fs::write(&file, registry).await.map_err(io("write the registry file"))?;
        let (file, config) = (file.display().to_string(), self.config());
        self.run("registry apply", &["registry", "apply", &file, "--config", &config]).await?;
        Ok(())
    }

    /// Invites a system with `saphan-hub invite`, whether the hub runs or not; answers the code.
    ///
    /// # Errors
    /// [`HubProcessError::Command`] with what the hub says about it.
    pub async fn invite(&self, system: &SystemId) -> Result<String, HubProcessError> {
        let code = self.run("invite", &["invite", system.as_str(), "--config", &self.config()]).await?;
        Ok(code.trim().to_owned())
    }

    /// Runs a command of the hub's operator with this hub's configuration, whether the hub runs or not, e.g. `["schema", "list"]`;
    /// answers what it prints.
    ///
    /// # Errors
    /// [`HubProcessError::Command`] with what the hub says about it.
    pub async fn operate(&self, command: &[&str]) -> Result<String, HubProcessError> {
        let config = self.config();
        let arguments: Vec<&str> = command.iter().copied().chain(["--config", &config]).collect();
        self.run("command", &arguments).await
    }

    /// RabbitMQ's configuration, as `saphan-hub broker config` writes it with these arguments.
    ///
    /// # Errors
    /// [`HubProcessError::Command`] with what the hub says about it.
    pub async fn broker_files(&self, arguments: &[&str]) -> Result<NodeFiles, HubProcessError> {
        let (folder, config) = (self.folder.path().display().to_string(), self.config());
        let command = ["broker", "config", "--config", &config, "--write", &folder];
        self.run("broker config", &[&command, arguments].concat()).await?;
        let read = |name: &str| std::fs::read_to_string(self.folder.path().join(name));
        let read = |name: &str| read(name).map_err(io("read RabbitMQ's configuration"));
        Ok(NodeFiles {
            rabbitmq_conf: read("rabbitmq.conf")?,
            advanced_config: read("advanced.config")?,
            enabled_plugins: read("enabled_plugins")?,
        })
    }

    /// Kills it with SIGKILL. Data and port stay.
    ///
    /// # Errors
    /// The process does not end.
    pub async fn kill(&mut self) -> Result<(), HubProcessError> {
        match self.process.take() {
            Some(mut process) => blocking(move || process.kill()).await.map_err(io("kill the hub")),
            None => Ok(()),
        }
    }

    /// Starts it on the same data and port, and returns when it accepts messages. One that runs is killed first.
    ///
    /// # Errors
    /// It does not become ready within five minutes.
    pub async fn restart(&mut self) -> Result<(), HubProcessError> {
        self.kill().await?;
        let config = self.config();
        let serve = ["serve", "--config", &config];
        let arguments: Vec<&str> = self.arguments(&serve).collect();
        let (program, environment) = (&self.options.program.program, self.environment());
        let (process, output) = ProcessGroup::spawn_talking(program, &arguments, &environment, &self.log_file())
            .map_err(io("start the hub"))?;
        self.process = Some(process);
        match timeout(STARTS_WITHIN, ready(output)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(HubProcessError::NotReady { what: "ended while it started", log_tail: self.log_tail() }),
            Err(_) => Err(HubProcessError::NotReady { what: "was not ready in time", log_tail: self.log_tail() }),
        }
    }

    /// Stops it in good order (SIGTERM). It may be started again.
    ///
    /// # Errors
    /// It does not end within two minutes, or not with exit status 0.
    pub async fn stop(&mut self) -> Result<(), HubProcessError> {
        let process = self.process.as_mut().ok_or(HubProcessError::Down)?;
        process.terminate().map_err(io("stop the hub"))?;
        let deadline = Instant::now() + STOPS_WITHIN;
        let status = loop {
            match process.exit_status().map_err(io("watch the hub"))? {
                None if Instant::now() < deadline => sleep(POLL).await,
                status => break status,
            }
        };
        self.kill().await?;
        match status {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(HubProcessError::BadStop { how: status.to_string(), log_tail: self.log_tail() }),
            None => Err(HubProcessError::BadStop { how: "killed".to_owned(), log_tail: self.log_tail() }),
        }
    }

    /// Processor time since it was last started, user and system, in seconds.
    ///
    /// # Errors
    /// It is down.
    pub fn cpu_seconds(&self) -> Result<f64, HubProcessError> {
        let process = self.process.as_ref().ok_or(HubProcessError::Down)?;
        process.cpu_seconds().map_err(io("read the hub's processor time"))
    }

    /// Resident memory, in bytes.
    ///
    /// # Errors
    /// It is down.
    pub fn rss_bytes(&self) -> Result<u64, HubProcessError> {
        let process = self.process.as_ref().ok_or(HubProcessError::Down)?;
        process.rss_bytes().map_err(io("read the hub's memory"))
    }
}

impl HubProcess {
    fn home(&self) -> PathBuf {
        self.folder.path().join("hub")
    }

    fn config(&self) -> String {
        self.home().join("hub.toml").display().to_string()
    }

    fn arguments<'a>(&'a self, arguments: &'a [&str]) -> impl Iterator<Item = &'a str> {
        self.options.program.args.iter().map(String::as_str).chain(arguments.iter().copied())
    }

    /// The hub sees nothing of this program's environment: its settings are those given here.
    fn environment(&self) -> Vec<(&str, String)> {
        let mut environment = vec![("PATH", "/usr/bin:/bin".to_owned()), ("LANG", "C.UTF-8".to_owned())];
        environment.extend(self.options.broker.iter().map(|uri| ("SAPHAN_HUB__AMQP__URI", uri.clone())));
        environment.extend(self.options.settings.iter().cloned());
        environment
    }

    /// Answers what it printed.
    async fn run(&self, command: &'static str, arguments: &[&str]) -> Result<String, HubProcessError> {
        let output = Command::new(&self.options.program.program)
            .args(self.arguments(arguments))
            .env_clear()
            .envs(self.environment())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(io("run the hub's program"))?;
        let (status, says) = (output.status, String::from_utf8_lossy(&output.stderr).trim().to_owned());
        if !status.success() {
            return Err(HubProcessError::Command { command, status, says });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl fmt::Debug for HubProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubProcess").field("url", &self.url).field("pid", &self.pid()).finish_non_exhaustive()
    }
}

impl fmt::Debug for HubOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The broker's address holds a password.
        f.debug_struct("HubOptions").field("program", &self.program).finish_non_exhaustive()
    }
}

/// Waits for the line with which the hub says that it serves; an error when the output ends before.
async fn ready(output: ChildStdout) -> Result<(), oneshot::error::RecvError> {
    let (say, ready) = oneshot::channel();
    // A thread of its own: it reads as long as the hub lives, so that nothing the hub prints meets a closed pipe.
    std::thread::spawn(move || {
        let mut say = Some(say);
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if line.starts_with(READY_LINE)
                && let Some(say) = say.take()
            {
                let _ = say.send(());
            }
        }
    });
    ready.await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|ended| Err(io::Error::other(ended)))
}

fn io(what: &'static str) -> impl Fn(io::Error) -> HubProcessError {
    move |source| HubProcessError::Io { what, source }
}

const READY_LINE: &str = "listening on ";
const LOG_TAIL_LINES: usize = 20;
/// A start takes well under a second alone; recovery, and a machine that compiles beside it, take longer.
const STARTS_WITHIN: Duration = Duration::from_secs(300);
/// Longer than the hub itself waits for those who hold connections open, and then for its last writes.
const STOPS_WITHIN: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);
