//! Counters and gauges in the Prometheus text format. Labels are codes and system ids, never people.

use std::fmt;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use saphan_schemas::problem::ProblemCode;

/// The hub's metrics.
pub struct Metrics {
    registry: Registry,
    /// Messages accepted and receipted.
    pub accepted: Counter,
    /// Messages submitted again and answered with their first receipt.
    pub duplicates: Counter,
    /// Messages acknowledged.
    pub acknowledged: Counter,
    /// Messages confirmed by the broker.
    pub published: Counter,
    /// Publications that were not confirmed and will be repeated.
    pub publish_failures: Counter,
    /// Messages whose `not_after` passed before delivery.
    pub expired: Counter,
    /// Bodies erased.
    pub erased: Counter,
    problems: Family<ProblemLabels, Counter>,
    /// Seconds from a message's last byte to its receipt.
    pub receipt_seconds: Histogram,
    /// Seconds of a commit, from its first look into the store.
    pub commit_seconds: Histogram,
    /// Entries of a commit.
    pub commit_entries: Histogram,
    /// Entries in the log.
    pub log_size: Gauge,
    /// Entries in the newest checkpoint that a quorum of witnesses has cosigned.
    pub cosigned_size: Gauge,
    /// Seconds since a quorum of witnesses cosigned last.
    pub cosigned_age: Gauge,
    /// Closed logs whose last checkpoint not every witness has cosigned.
    pub closed_uncosigned: Gauge,
    witness_ages: Family<WitnessLabels, Gauge>,
    witness_failures: Family<WitnessFailureLabels, Counter>,
    /// Entries in the newest checkpoint that has a timestamp.
    pub timestamped_size: Gauge,
    /// Seconds since the hub got the newest timestamp, or since it began to ask.
    pub timestamp_age: Gauge,
    timestamp_failures: Family<TimestampLabels, Counter>,
    /// Outbox rows waiting for the broker.
    pub outbox_amqp: Gauge,
    /// Outbox rows waiting to be pulled and acknowledged.
    pub outbox_pull: Gauge,
    /// Entries of the log that are published as files.
    pub log_published_size: Gauge,
    /// How often the log could not be published.
    pub log_publish_failures: Counter,
    /// Entries of the log that cases have followed.
    pub cases_followed: Gauge,
    /// Entries of the log that auditors can search.
    pub audit_indexed: Gauge,
    /// Letters of the hub's own system that the hub refused: an agreement or a key is missing.
    pub letters_refused: Counter,
    /// Letters of the hub's own system that their receivers rejected.
    pub letters_rejected: Counter,
    /// Cases whose day has passed without a decision.
    pub cases_overdue: Counter,
    /// Whether the broker can be reached: 1 or 0.
    pub broker_up: Gauge,
    /// Whether connections to the broker can be ended, at the last look: 1 or 0.
    pub broker_management_up: Gauge,
    /// Connections to the broker that were closed because their right had ended; also such as ended by themselves just before.
    pub broker_connections_closed: Counter,
    broker_refusals: Family<BrokerLabels, Counter>,
    connections_closed: Family<ClosedLabels, Counter>,
    /// TLS handshakes that failed.
    pub tls_handshakes_failed: Counter,
    /// When the certificate expires, in seconds since 1970; 0 without TLS.
    pub tls_certificate_expires: Gauge,
}

/// What the broker asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerQuestion {
    /// May somebody log in?
    User,
    /// May a user enter a virtual host?
    Vhost,
    /// May a user touch a queue or an exchange?
    Resource,
    /// May a user use a routing key?
    Topic,
}

impl BrokerQuestion {
    /// Its name in logs and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Vhost => "vhost",
            Self::Resource => "resource",
            Self::Topic => "topic",
        }
    }
}

/// Why the hub closed a connection without a request to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Its address has as many as one may have.
    TooMany,
    /// No whole request came in time; also on a connection that is not used any more.
    NoRequest,
    /// The headers of a request are over the limit.
    HeadersTooLarge,
    /// What came is not HTTP.
    NotHttp,
    /// It took nothing of its answer for too long.
    Stalled,
}

impl Closed {
    const fn as_str(self) -> &'static str {
        match self {
            Self::TooMany => "too-many",
            Self::NoRequest => "no-request",
            Self::HeadersTooLarge => "headers-too-large",
            Self::NotHttp => "not-http",
            Self::Stalled => "stalled",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClosedLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BrokerLabels {
    question: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WitnessLabels {
    witness: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WitnessFailureLabels {
    witness: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TimestampLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProblemLabels {
    code: &'static str,
}

impl Metrics {
    /// Counts an answer that is a problem.
    pub fn problem(&self, code: ProblemCode) {
        self.problems.get_or_create(&ProblemLabels { code: code.as_str() }).inc();
    }

    /// Counts a connection that the hub closed.
    pub fn connection_closed(&self, reason: Closed) {
        self.connections_closed.get_or_create(&ClosedLabels { reason: reason.as_str() }).inc();
    }

    /// Counts a refusal that the broker was told.
    pub fn broker_refusal(&self, question: BrokerQuestion) {
        self.broker_refusals.get_or_create(&BrokerLabels { question: question.as_str() }).inc();
    }

    /// Seconds since a witness of the policy cosigned last, or since the hub began to ask it.
    pub fn witness_age(&self, witness: &str, seconds: i64) {
        self.witness_ages.get_or_create(&WitnessLabels { witness: witness.to_owned() }).set(seconds);
    }

    /// Counts a checkpoint that a witness of the policy did not cosign.
    pub fn witness_failed(&self, witness: &str, reason: &'static str) {
        self.witness_failures.get_or_create(&WitnessFailureLabels { witness: witness.to_owned(), reason }).inc();
    }

    /// Counts a checkpoint that got no timestamp when it was asked for.
    pub fn timestamp_failed(&self, reason: &'static str) {
        self.timestamp_failures.get_or_create(&TimestampLabels { reason }).inc();
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// [`fmt::Error`] when a metric cannot be written.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("saphan");
        let metrics = Self {
            registry: Registry::default(),
            accepted: Counter::default(),
            duplicates: Counter::default(),
            acknowledged: Counter::default(),
            published: Counter::default(),
            publish_failures: Counter::default(),
            expired: Counter::default(),
            erased: Counter::default(),
            problems: Family::default(),
            receipt_seconds: Histogram::new(exponential_buckets(0.000_5, 2.0, 14)),
            commit_seconds: Histogram::new(exponential_buckets(0.000_5, 2.0, 14)),
            commit_entries: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            log_size: Gauge::default(),
            cosigned_size: Gauge::default(),
            cosigned_age: Gauge::default(),
            closed_uncosigned: Gauge::default(),
            witness_ages: Family::default(),
            witness_failures: Family::default(),
            timestamped_size: Gauge::default(),
            timestamp_age: Gauge::default(),
            timestamp_failures: Family::default(),
            outbox_amqp: Gauge::default(),
            outbox_pull: Gauge::default(),
            log_published_size: Gauge::default(),
            log_publish_failures: Counter::default(),
            cases_followed: Gauge::default(),
            audit_indexed: Gauge::default(),
            letters_refused: Counter::default(),
            letters_rejected: Counter::default(),
            cases_overdue: Counter::default(),
            broker_up: Gauge::default(),
            broker_management_up: Gauge::default(),
            broker_connections_closed: Counter::default(),
            broker_refusals: Family::default(),
            connections_closed: Family::default(),
            tls_handshakes_failed: Counter::default(),
            tls_certificate_expires: Gauge::default(),
        };
        registry.register("messages_accepted", "Messages accepted and receipted", metrics.accepted.clone());
        registry.register("messages_duplicate", "Submissions of known messages", metrics.duplicates.clone());
        registry.register("messages_acknowledged", "Messages acknowledged", metrics.acknowledged.clone());
        registry.register("messages_published", "Messages confirmed by the broker", metrics.published.clone());
        registry.register("publish_failures", "Publications not confirmed", metrics.publish_failures.clone());
        registry.register("messages_expired", "Messages expired before delivery", metrics.expired.clone());
        registry.register("bodies_erased", "Bodies erased", metrics.erased.clone());
        registry.register("problems", "Requests answered with a problem", metrics.problems.clone());
        registry.register("receipt_seconds", "From submission to receipt", metrics.receipt_seconds.clone());
        registry.register("commit_seconds", "Of a commit of the log", metrics.commit_seconds.clone());
        registry.register("commit_entries", "Entries of a commit of the log", metrics.commit_entries.clone());
        registry.register("log_size", "Entries in the log", metrics.log_size.clone());
        registry.register(
            "log_cosigned_size",
            "Entries in the newest checkpoint that a quorum of witnesses has cosigned",
            metrics.cosigned_size.clone(),
        );
        registry.register(
            "log_cosigned_age_seconds",
            "Since a quorum of witnesses cosigned last",
            metrics.cosigned_age.clone(),
        );
        registry.register(
            "closed_logs_uncosigned",
            "Closed logs whose last checkpoint not every witness has cosigned",
            metrics.closed_uncosigned.clone(),
        );
        let ages = metrics.witness_ages.clone();
        registry.register("witness_age_seconds", "Since the witness cosigned last", ages);
        let failures = metrics.witness_failures.clone();
        registry.register("witness_failures", "Checkpoints that the witness did not cosign", failures);
        let size = metrics.timestamped_size.clone();
        registry.register("log_timestamped_size", "Entries in the newest checkpoint that has a timestamp", size);
        let age = metrics.timestamp_age.clone();
        registry.register("timestamp_age_seconds", "Since the newest timestamp", age);
        let failures = metrics.timestamp_failures.clone();
        registry.register("timestamp_failures", "Checkpoints that got no timestamp when asked for", failures);
        registry.register(
            "log_published_size",
            "Entries of the log that are published as files",
            metrics.log_published_size.clone(),
        );
        registry.register(
            "log_publish_failures",
            "How often the log could not be published as files",
            metrics.log_publish_failures.clone(),
        );
        registry.register("outbox_amqp", "Messages waiting for the broker", metrics.outbox_amqp.clone());
        registry.register(
            "cases_followed",
            "Entries of the log that cases have followed",
            metrics.cases_followed.clone(),
        );
        registry.register(
            "audit_indexed",
            "Entries of the log that auditors can search",
            metrics.audit_indexed.clone(),
        );
        registry.register(
            "case_letters_refused",
            "What the hub's own system could not send",
            metrics.letters_refused.clone(),
        );
        registry.register(
            "case_letters_rejected",
            "What the hub's own system sent and its receiver rejected",
            metrics.letters_rejected.clone(),
        );
        registry.register(
            "cases_overdue",
            "Cases not decided by their day, each again every week",
            metrics.cases_overdue.clone(),
        );
        registry.register("outbox_pull", "Messages waiting to be pulled", metrics.outbox_pull.clone());
        registry.register("broker_up", "Whether the broker can be reached", metrics.broker_up.clone());
        registry.register(
            "broker_management_up",
            "Whether connections to the broker can be ended",
            metrics.broker_management_up.clone(),
        );
        registry.register(
            "broker_connections_closed",
            "Connections to the broker closed because their right had ended",
            metrics.broker_connections_closed.clone(),
        );
        registry.register("broker_refusals", "Refusals that the broker was told", metrics.broker_refusals.clone());
        let closed = metrics.connections_closed.clone();
        registry.register("connections_closed", "Connections that the hub closed without a request to answer", closed);
        let failed = metrics.tls_handshakes_failed.clone();
        registry.register("tls_handshakes_failed", "TLS handshakes that failed", failed);
        let expires = metrics.tls_certificate_expires.clone();
        registry.register("tls_certificate_expires_seconds", "When the certificate expires, Unix time", expires);
        Self { registry, ..metrics }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
