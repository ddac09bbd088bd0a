//! Acceptance alone: envelopes signed beforehand, posted by many at once; nobody takes the messages.
//!
//! Measured twice: in batches, as a connector submits what comes fast, and one message a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use futures_util::TryStreamExt as _;
use reqwest::Client;
use saphan_schemas::auth::AuthClaims;
use saphan_schemas::b64;
use saphan_schemas::commitment::{BodyCommitment, Salt};
use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::ids::MessageId;
use saphan_schemas::jws::Signed;
use saphan_schemas::message_types::{ApplicationSubmitted, MessageBody as _};
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinSet;

use super::raw::Sample;
use crate::world::{World, bodies};

/// What was found.
pub(super) struct Accepted {
    pub(super) per_second: f64,
    pub(super) single_per_second: f64,
    /// One message with all its parts, as it would travel through the broker.
    pub(super) sample: Sample,
}

/// A message that was signed beforehand.
pub(super) struct Submission {
    envelope: String,
    salt: String,
    body: Vec<u8>,
}

#[derive(Deserialize)]
struct Answers {
    results: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    receipt: String,
    proof: String,
}

pub(super) async fn measure(world: &World, messages: usize) -> anyhow::Result<Accepted> {
    let submissions: Arc<Vec<_>> = Arc::new(signed(world, messages * 2 + WARM_UP)?);
    let url = Arc::new(format!("{}/v1/messages", world.hub.url()));
    post(&url, &submissions, 0..WARM_UP).await?;
    let started = Instant::now();
    post_batches(world, &submissions[WARM_UP..WARM_UP + messages]).await?;
    let per_second = messages as f64 / started.elapsed().as_secs_f64();
    let started = Instant::now();
    let last = post(&url, &submissions, WARM_UP + messages..submissions.len()).await?;
    let single_per_second = messages as f64 / started.elapsed().as_secs_f64();
    let of = submissions.last().context("at least one message")?;
    let headers = vec![
        ("saphan-envelope", of.envelope.clone()),
        ("saphan-salt", of.salt.clone()),
        ("saphan-receipt", last.receipt),
        ("saphan-proof", last.proof),
    ];
    Ok(Accepted { per_second, single_per_second, sample: Sample { headers, body: of.body.clone() } })
}

/// Messages of the world's sender.
pub(super) fn signed(world: &World, count: usize) -> anyhow::Result<Vec<Submission>> {
    let key = world.key(&world.sender()?)?;
    let iat = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let bodies = bodies(BODIES)?;
    (0..count)
        .map(|number| {
            let body = bodies[number % bodies.len()].clone();
            let salt = Salt::generate()?;
            let claims = EnvelopeClaims {
                iss: world.sender()?,
                aud: world.receiver()?,
                hub: world.hub_id().clone(),
                jti: MessageId::new(),
                iat,
                not_after: None,
                message_type: ApplicationSubmitted::TYPE.parse()?,
                schema: ApplicationSubmitted::SCHEMA.parse()?,
                service: Some(world.service()?),
                case: None,
                reply_to: None,
                purpose: Some(world.mandate.purpose.parse()?),
                legal_basis: Some(world.mandate.law.parse()?),
                consent: None,
                body: BodyCommitment::new(&salt, &body),
                documents: Vec::new(),
            };
            let envelope = Signed::sign(claims, &key)?.as_str().to_owned();
            Ok(Submission { envelope, salt: salt.to_text(), body })
        })
        .collect()
}

/// Posts submissions in batches, some at once.
pub(super) async fn post_batches(world: &World, submissions: &[Submission]) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().http1_only().pool_max_idle_per_host(BATCHES).build()?;
    let url = format!("{}{BATCH}", world.hub.url());
    let batches = futures_util::stream::iter(submissions.chunks(BATCH_MESSAGES).map(Ok));
    batches.try_for_each_concurrent(BATCHES, |batch| post_batch(world, &client, &url, batch)).await
}

async fn post_batch(world: &World, client: &Client, url: &str, batch: &[Submission]) -> anyhow::Result<()> {
    let message =
        |of: &Submission| json!({ "envelope": of.envelope, "salt": of.salt, "body": b64::encode_std(&of.body) });
    let body = json!({ "messages": batch.iter().map(message).collect::<Vec<_>>() });
    let response = client.post(url).bearer_auth(token(world)?).json(&body).send().await?;
    ensure!(response.status() == 200, "a batch was not taken: {}", response.text().await?);
    // A result without receipt and proof is no answer.
    let Answers { results } = response.json().await?;
    ensure!(results.len() == batch.len(), "{} results for {} messages", results.len(), batch.len());
    Ok(())
}

fn token(world: &World) -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = AuthClaims::new(world.sender()?.to_string(), world.hub_id().clone(), now, "POST", BATCH);
    Ok(Signed::sign(claims, &world.key(&world.sender()?)?)?.as_str().to_owned())
}

/// Posts a range of submissions from many tasks; returns the last answer.
async fn post(
    url: &Arc<String>,
    submissions: &Arc<Vec<Submission>>,
    range: std::ops::Range<usize>,
) -> anyhow::Result<Answer> {
    let client = reqwest::Client::builder().http1_only().pool_max_idle_per_host(SENDERS).build()?;
    let next = Arc::new(AtomicUsize::new(range.start));
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        let (url, submissions, next) = (Arc::clone(url), Arc::clone(submissions), Arc::clone(&next));
        let (client, end) = (client.clone(), range.end);
        senders.spawn(async move {
            let mut last = None;
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(submission) = submissions.get(at).filter(|_| at < end) else { break };
                let response = client
                    .post(&*url)
                    .header("saphan-envelope", &submission.envelope)
                    .header("saphan-salt", &submission.salt)
                    .header("content-type", "application/json")
                    .body(submission.body.clone())
                    .send()
                    .await?;
                ensure!(response.status() == 201, "a message was not accepted: {}", response.text().await?);
                last = Some(response.json::<Answer>().await?);
            }
            anyhow::Ok(last)
        });
    }
    let mut answer = None;
    while let Some(sender) = senders.join_next().await {
        answer = sender??.or(answer);
    }
    answer.context("at least one answer")
}

const BATCH: &str = "/v1/messages/batch";
const BATCH_MESSAGES: usize = 64;
const BATCHES: usize = 8;
const SENDERS: usize = 128;
const BODIES: usize = 64;
const WARM_UP: usize = 1000;
