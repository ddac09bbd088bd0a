//! A private RabbitMQ node: in a temporary folder, on free loopback ports, with its own users and its own epmd.
//!
//! It needs the installed package and no privilege, leaves the machine's own broker alone, and may be killed and
//! started again at will.

use std::fs;
use std::io::{self, Read as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::port;
use super::process_group::ProcessGroup;

/// There is no RabbitMQ on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is missing on this machine; install it with: apt-get install rabbitmq-server")]
pub struct NotInstalled(&'static str);

/// The node could not be started, or did not do as told.
#[derive(Debug, thiserror::Error)]
pub enum RabbitError {
    /// RabbitMQ must be installed first.
    #[error(transparent)]
    NotInstalled(#[from] NotInstalled),
    /// A file, port or process of the node could not be used.
    #[error("cannot {what}")]
    Io {
        /// What was attempted.
        what: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The node ended while it started.
    #[error("the RabbitMQ node ended while it started; the end of its log:\n{log_tail}")]
    Ended {
        /// The last lines of the node's log.
        log_tail: String,
    },
    /// The node took too long.
    #[error("the RabbitMQ node was not ready within {seconds} s; the end of its log:\n{log_tail}")]
    NotReady {
        /// How long it was waited for.
        seconds: u64,
        /// The last lines of the node's log.
        log_tail: String,
    },
}

/// How a node is to be: the texts of its configuration files, which say where it listens.
#[derive(Debug, Clone)]
pub struct NodeFiles {
    /// `rabbitmq.conf`.
    pub rabbitmq_conf: String,
    /// `advanced.config`.
    pub advanced_config: String,
    /// `enabled_plugins`.
    pub enabled_plugins: String,
}

/// A running node, with a virtual host `saphan` and one user who may do everything there; or one that others configured.
///
/// Dropping it kills the node and removes its folder.
pub struct RabbitNode {
    // Declared in the order in which they must go: processes before the folder they write to.
    broker: Option<ProcessGroup>,
    _epmd: ProcessGroup,
    folder: TempDir,
    server: PathBuf,
    ports: Ports,
    /// Where it listens and who may log in is for its configuration to say.
    configured: bool,
    uri: String,
    version: String,
}

impl Drop for RabbitNode {
    fn drop(&mut self) {
        super::keep_log("rabbitmq", &self.folder.path().join(NODE_LOG));
    }
}

impl RabbitNode {
    /// The server program of the installed package.
    ///
    /// # Errors
    /// None is installed; the text names the package.
    pub fn installed() -> Result<PathBuf, NotInstalled> {
        find(SERVER_PROGRAMS).ok_or(NotInstalled("RabbitMQ"))
    }

    /// Starts a node without plugins and returns when it answers AMQP.
    ///
    /// # Errors
    /// RabbitMQ is not installed, or the node does not come up within five minutes.
    pub async fn start() -> Result<Self, RabbitError> {
        Self::start_with_plugins(&[]).await
    }

    /// Starts a node with these plugins of the package enabled.
    ///
    /// # Errors
    /// As [`RabbitNode::start`].
    pub async fn start_with_plugins(plugins: &[&str]) -> Result<Self, RabbitError> {
        let ports = Ports::free().map_err(io("find free ports"))?;
        let (user, password) = credentials().map_err(io("make a password"))?;
        let uri = format!("amqp://{user}:{password}@127.0.0.1:{}/{VIRTUAL_HOST}", ports.amqp);
        Self::make(&own_files(plugins, &user, &password), ports, uri, false).await
    }

    /// Starts a node that is configured by these files alone, whose AMQP listener is at `uri`, e.g.
    /// `amqps://localhost:23456/saphan`; returns when it has started.
    ///
    /// # Errors
    /// As [`RabbitNode::start`].
    pub async fn start_configured(files: &NodeFiles, uri: &str) -> Result<Self, RabbitError> {
        let mut ports = Ports::free().map_err(io("find free ports"))?;
        let port = uri.rsplit(':').next().and_then(|rest| rest.split('/').next()?.parse().ok());
        ports.amqp = port.ok_or_else(|| io("read the port of its address")(io::ErrorKind::InvalidInput.into()))?;
        Self::make(files, ports, uri.to_owned(), true).await
    }

    async fn make(files: &NodeFiles, ports: Ports, uri: String, configured: bool) -> Result<Self, RabbitError> {
        let server = Self::installed()?;
        let epmd = find(EPMD_PROGRAMS).ok_or(NotInstalled("Erlang's epmd"))?;
        let folder = tempfile::Builder::new().prefix("saphan-rabbitmq-").tempdir().map_err(io("make a folder"))?;
        files.write(folder.path()).map_err(io("write the node's configuration"))?;
        let epmd = start_epmd(&epmd, folder.path(), ports.epmd).await?;
        let version = String::new();
        let mut node = Self { broker: None, _epmd: epmd, folder, server, ports, configured, uri, version };
        node.restart().await?;
        Ok(node)
    }

    /// Where clients connect, `amqp://user:password@127.0.0.1:port/saphan`, which holds a password: not for logs. Of a node that
    /// others configured, the address that they gave.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The loopback port of AMQP.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.amqp
    }

    /// The process id of the broker, or `None` while it is down.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.broker.as_ref().map(ProcessGroup::id)
    }

    /// The version that the broker states, e.g. `3.10.8`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The folder that holds all that the node writes.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs `rabbitmqctl` with these arguments on this node, and answers what it prints.
    ///
    /// # Errors
    /// It cannot be run, or ends with an error, which is given.
    pub async fn control(&self, arguments: &[&str]) -> Result<String, RabbitError> {
        let output = tokio::process::Command::new(self.server.with_file_name("rabbitmqctl"))
            .args(arguments)
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(io("run rabbitmqctl"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let source = io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned());
        Err(RabbitError::Io { what: "let rabbitmqctl do its work", source })
    }

    /// Waits until a quorum queue that was declared a moment ago has reached the broker's disk.
    ///
    /// RabbitMQ 3.10 writes the registration of a new quorum queue with a delay of up to some seconds (`auto_save` of
    /// its Raft directory). A broker killed before that forgets the queue's whole log, confirmed messages included.
    ///
    /// # Errors
    /// It is not there after five minutes: no such queue, or another storage format than that of Ra 2.
    pub async fn registered(&self, queue: &str) -> Result<(), RabbitError> {
        let name = format!("{VIRTUAL_HOST}_{queue}");
        let node = self.name();
        let registry = self.folder.path().join("data").join(&node).join("quorum").join(&node).join("names.dets");
        let deadline = Instant::now() + REGISTERS_WITHIN;
        loop {
            let content = fs::read(&registry).map_err(io("read the broker's Raft directory"))?;
            if content.windows(name.len()).any(|window| window == name.as_bytes()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let source = io::Error::new(io::ErrorKind::TimedOut, "the queue is not in it");
                return Err(RabbitError::Io { what: "find a queue in the broker's Raft directory", source });
            }
            sleep(POLL).await;
        }
    }

    /// Kills the broker with SIGKILL: no farewell to clients, nothing flushed. Data and ports stay.
    ///
    /// # Errors
    /// A process of the broker does not end.
    pub async fn kill(&mut self) -> Result<(), RabbitError> {
        match self.broker.take() {
            Some(mut broker) => blocking(move || broker.kill()).await.map_err(io("kill the broker")),
            None => Ok(()),
        }
    }

    /// Starts the broker on the same data and ports, and returns when it answers AMQP. One that runs is killed first.
    ///
    /// # Errors
    /// The node does not come up within five minutes.
    pub async fn restart(&mut self) -> Result<(), RabbitError> {
        self.kill().await?;
        let output = self.folder.path().join("output.log");
        let logged = fs::read(self.folder.path().join(NODE_LOG)).map_or(0, |log| log.len());
        let none: [&str; 0] = [];
        let environment = self.environment();
        let broker = ProcessGroup::spawn(&self.server, &none, &environment, &output).map_err(io("start the broker"))?;
        self.broker = Some(broker);
        self.version = self.ready(logged).await?;
        Ok(())
    }

    /// Stops the broker in good order, as an operator would; kills it when that takes more than two minutes.
    ///
    /// # Errors
    /// A process does not end.
    pub async fn stop(mut self) -> Result<(), RabbitError> {
        if let Some(broker) = &mut self.broker {
            broker.terminate().map_err(io("stop the broker"))?;
            let deadline = Instant::now() + STOPS_WITHIN;
            while broker.exit_status().map_err(io("watch the broker"))?.is_none() && Instant::now() < deadline {
                sleep(POLL).await;
            }
        }
        self.kill().await
    }

    /// Processor time of the broker since it was last started, user and system, in seconds.
    ///
    /// # Errors
    /// The broker is down.
    pub fn cpu_seconds(&self) -> Result<f64, RabbitError> {
        self.broker().and_then(ProcessGroup::cpu_seconds).map_err(io("read the broker's processor time"))
    }

    /// Resident memory of the broker, in bytes.
    ///
    /// # Errors
    /// The broker is down.
    pub fn rss_bytes(&self) -> Result<u64, RabbitError> {
        self.broker().and_then(ProcessGroup::rss_bytes).map_err(io("read the broker's memory"))
    }
}

impl RabbitNode {
    fn name(&self) -> String {
        format!("saphan-{}@localhost", self.ports.amqp)
    }

    fn broker(&self) -> io::Result<&ProcessGroup> {
        self.broker.as_ref().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the broker is down"))
    }

    /// Waits until the broker answers a handshake; answers its version. One that others configured may speak TLS, so its log is
    /// asked, from where it ended before.
    async fn ready(&mut self, logged: usize) -> Result<String, RabbitError> {
        let deadline = Instant::now() + STARTS_WITHIN;
        loop {
            let version = if self.configured {
                let log = fs::read(self.folder.path().join(NODE_LOG)).unwrap_or_default();
                started(log.get(logged..).unwrap_or_default())
            } else {
                timeout(Duration::from_secs(5), handshake(self.ports.amqp)).await.ok().and_then(Result::ok)
            };
            if let Some(version) = version {
                return Ok(version);
            }
            let ended = match &mut self.broker {
                Some(broker) => broker.exit_status().map_err(io("watch the broker"))?.is_some(),
                None => true,
            };
            if ended {
                return Err(RabbitError::Ended { log_tail: log_tail(self.folder.path()) });
            }
            if Instant::now() > deadline {
                let log_tail = log_tail(self.folder.path());
                return Err(RabbitError::NotReady { seconds: STARTS_WITHIN.as_secs(), log_tail });
            }
            sleep(POLL).await;
        }
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let folder = self.folder.path();
        let within = |name: &str| folder.join(name).display().to_string();
        let mut environment = base_environment(folder, self.ports.epmd);
        if !self.configured {
            environment.push(("RABBITMQ_NODE_IP_ADDRESS", Ipv4Addr::LOCALHOST.to_string()));
            environment.push(("RABBITMQ_NODE_PORT", self.ports.amqp.to_string()));
        }
        environment.extend([
            ("RABBITMQ_NODENAME", self.name()),
            ("RABBITMQ_DIST_PORT", self.ports.distribution.to_string()),
            ("RABBITMQ_CONF_ENV_FILE", within("env.conf")),
            ("RABBITMQ_CONFIG_FILE", within("rabbitmq.conf")),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", within("advanced.config")),
            ("RABBITMQ_GENERATED_CONFIG_DIR", within("generated")),
            ("RABBITMQ_SCHEMA_DIR", within("schema")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", within("enabled_plugins")),
            ("RABBITMQ_FEATURE_FLAGS_FILE", within("feature_flags")),
            ("RABBITMQ_MNESIA_BASE", within("data")),
            ("RABBITMQ_LOG_BASE", within("log")),
            ("RABBITMQ_LOGS", within(NODE_LOG)),
            ("RABBITMQ_PID_FILE", within("pid")),
            ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}".to_owned()),
            // No Erlang tool that the start script calls may leave a name server behind.
            ("ERL_FLAGS", "-start_epmd false".to_owned()),
            // Makes the start script become the broker instead of waiting beside it: its process id is the broker's.
            ("detached", "true".to_owned()),
        ]);
        environment
    }
}

/// The three loopback ports of a node.
#[derive(Debug, Clone, Copy)]
struct Ports {
    amqp: u16,
    distribution: u16,
    epmd: u16,
}

impl Ports {
    fn free() -> io::Result<Self> {
        Ok(Self { amqp: port::free()?, distribution: port::free()?, epmd: port::free()? })
    }
}

async fn start_epmd(program: &Path, folder: &Path, port: u16) -> Result<ProcessGroup, RabbitError> {
    let arguments = ["-port", &port.to_string(), "-address", "127.0.0.1"];
    let environment = base_environment(folder, port);
    let mut epmd = ProcessGroup::spawn(program, &arguments, &environment, &folder.join("epmd.log"))
        .map_err(io("start Erlang's name server"))?;
    let deadline = Instant::now() + STARTS_WITHIN;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
        if epmd.exit_status().map_err(io("watch Erlang's name server"))?.is_some() || Instant::now() > deadline {
            let source = io::Error::other("it does not listen");
            return Err(RabbitError::Io { what: "start Erlang's name server", source });
        }
        sleep(POLL).await;
    }
    Ok(epmd)
}

/// Speaks the first half of the AMQP 0-9-1 handshake (section 2.2.4) and reads the broker's version from its answer.
async fn handshake(port: u16) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(b"AMQP\x00\x00\x09\x01").await?;
    let mut header = [0; 7];
    stream.read_exact(&mut header).await?;
    let [METHOD_FRAME, _, _, size @ ..] = header else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not an AMQP broker"));
    };
    let mut start = vec![0; usize::try_from(u32::from_be_bytes(size)).unwrap_or(0).min(64 * 1024)];
    stream.read_exact(&mut start).await?;
    Ok(version_in(&start).unwrap_or_else(|| "unknown".to_owned()))
}

/// Finds `version` among the server properties: a short string as the key, `S`, and a long string.
fn version_in(start: &[u8]) -> Option<String> {
    let key = b"\x07versionS";
    let at = start.windows(key.len()).position(|window| window == key)? + key.len();
    let length = u32::from_be_bytes(start.get(at..at + 4)?.try_into().ok()?);
    let text = start.get(at + 4..)?.get(..usize::try_from(length).ok()?)?;
    String::from_utf8(text.to_vec()).ok()
}

fn base_environment(folder: &Path, epmd_port: u16) -> Vec<(&'static str, String)> {
    vec![
        ("PATH", std::env::var("PATH").unwrap_or_else(|_| "/usr/sbin:/usr/bin:/sbin:/bin".to_owned())),
        ("LANG", "C.UTF-8".to_owned()),
        ("HOME", folder.display().to_string()),
        ("ERL_EPMD_PORT", epmd_port.to_string()),
        ("ERL_EPMD_ADDRESS", Ipv4Addr::LOCALHOST.to_string()),
    ]
}

impl NodeFiles {
    fn write(&self, folder: &Path) -> io::Result<()> {
        fs::write(folder.join("rabbitmq.conf"), &self.rabbitmq_conf)?;
        fs::write(folder.join("advanced.config"), &self.advanced_config)?;
        fs::write(folder.join("enabled_plugins"), &self.enabled_plugins)
    }
}

fn own_files(plugins: &[&str], user: &str, password: &str) -> NodeFiles {
    let rabbitmq_conf = format!(
        "default_vhost = {VIRTUAL_HOST}\n\
         default_user = {user}\n\
         default_pass = {password}\n\
         default_user_tags.administrator = true\n\
         default_permissions.configure = .*\n\
         default_permissions.write = .*\n\
         default_permissions.read = .*\n\
         log.console = false\n"
    );
    NodeFiles {
        rabbitmq_conf,
        advanced_config: "[].\n".to_owned(),
        enabled_plugins: format!("[{}].\n", plugins.join(",")),
    }
}

/// The version in a log of a node that has started, plugins included; `None` while it starts.
fn started(log: &[u8]) -> Option<String> {
    let log = String::from_utf8_lossy(log);
    log.find("Server startup complete")?;
    let version = log.split("Starting RabbitMQ ").nth(1).and_then(|rest| rest.split_whitespace().next());
    Some(version.unwrap_or("unknown").to_owned())
}

fn credentials() -> io::Result<(String, String)> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok((format!("saphan-{}", hex(&random::<4>()?)), hex(&random::<16>()?)))
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn find(programs: &[&str]) -> Option<PathBuf> {
    programs.iter().map(PathBuf::from).find(|program| program.is_file())
}

fn log_tail(folder: &Path) -> String {
    let mut lines = Vec::new();
    for name in ["output.log", NODE_LOG] {
        let text = fs::read(folder.join(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        lines.extend(all[all.len().saturating_sub(LOG_TAIL_LINES)..].iter().map(|line| (*line).to_owned()));
    }
    lines.join("\n")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|ended| Err(io::Error::other(ended)))
}

fn io(what: &'static str) -> impl Fn(io::Error) -> RabbitError {
    move |source| RabbitError::Io { what, source }
}

/// The start script itself; the one on the `PATH` of Debian insists on root or its own user.
const SERVER_PROGRAMS: &[&str] = &[
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/rabbitmq/sbin/rabbitmq-server",
    "/usr/local/lib/rabbitmq/sbin/rabbitmq-server",
];
const EPMD_PROGRAMS: &[&str] =
    &["/usr/bin/epmd", "/usr/local/bin/epmd", "/opt/erlang/bin/epmd", "/usr/lib/erlang/bin/epmd"];
const VIRTUAL_HOST: &str = "saphan";
const NODE_LOG: &str = "log/node.log";
const LOG_TAIL_LINES: usize = 20;
const METHOD_FRAME: u8 = 1;
/// A start takes 5 to 10 seconds alone, several times that on a machine that compiles beside it.
const STARTS_WITHIN: Duration = Duration::from_secs(300);
const REGISTERS_WITHIN: Duration = Duration::from_secs(300);
const STOPS_WITHIN: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_server_properties() {
        assert_eq!(version_in(b"..\x07versionS\0\0\0\x063.10.8...").as_deref(), Some("3.10.8"));
        assert_eq!(version_in(b"\x07versionS\0\0\0\x63.10.8"), None);
    }

    #[test]
    fn a_start_is_read_from_the_log() {
        let starting = "2026-11-24 [info] <0.230.0>  Starting RabbitMQ 3.10.8 on Erlang 25.2.3 [jit]\n";
        assert_eq!(started(starting.as_bytes()), None);
        let complete = format!("{starting}2026-11-24 [info] <0.648.0> Server startup complete; 5 plugins started.\n");
        assert_eq!(started(complete.as_bytes()).as_deref(), Some("3.10.8"));
    }

    #[test]
    fn a_missing_package_is_named() {
        let text = NotInstalled("RabbitMQ").to_string();
        assert!(text.contains("apt-get install rabbitmq-server"), "{text}");
    }
}
