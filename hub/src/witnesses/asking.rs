//! One witness, asked by C2SP tlog-witness.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, StatusCode, Url};
use saphan_schemas::log::policy::PolicyWitness;
use saphan_schemas::log::{AddCheckpoint, CosignerKey, NoteSignature, ProofPlan, SignedNote};

use super::Head;
use crate::ledger::hashes_of;
use crate::shards::Shard;
use crate::store::{Store, StoreError};

/// A witness that is asked.
#[derive(Debug)]
pub(super) struct Asked {
    /// Its place in the policy.
    place: usize,
    name: String,
    key: CosignerKey,
    url: Url,
    client: Client,
}

/// Why a witness did not cosign.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotCosigned {
    /// It cannot be reached, or did not answer in time.
    #[error("the witness does not answer: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// It refuses.
    #[error("the witness answers {status}{}", meaning(*status))]
    Refused {
        /// What it answers.
        status: StatusCode,
    },
    /// Its answer is none of the protocol, or not signed by its key.
    #[error("the witness answers what is not a cosignature by the key in witnesses.policy")]
    Unreadable,
    /// It has cosigned more than the hub has.
    #[error(
        "the witness has cosigned {seen} entries of this log, of which the hub has {size}: were the hub's data brought back from a copy?"
    )]
    Ahead {
        /// What it has cosigned.
        seen: u64,
        /// What the hub has.
        size: u64,
    },
    /// What it cosigned is not how the hub's log begins.
    #[error(
        "what the witness cosigned is not of this log: another hub signs with the same key, or the log was changed"
    )]
    OtherHistory,
    /// The store failed.
    #[error("the proof for the witness cannot be made")]
    Store(#[from] StoreError),
}

impl NotCosigned {
    /// For the label of a metric.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Refused { .. } => "refused",
            Self::Unreadable => "unreadable",
            Self::Ahead { .. } => "ahead",
            Self::OtherHistory => "other-history",
            Self::Store(_) => "store",
        }
    }
}

impl Asked {
    pub(super) fn new(place: usize, witness: &PolicyWitness, url: Url, client: Client) -> Self {
        Self { place, name: witness.name().into_owned(), key: witness.key.clone(), url, client }
    }

    pub(super) const fn place(&self) -> usize {
        self.place
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn key(&self) -> &CosignerKey {
        &self.key
    }

    /// Asks for a cosignature of `head`, which is of this log; it is verified. `seen` is how much the witness cosigned before, as far as is known; what
    /// it answers corrects it.
    pub(super) async fn cosign(
        &self,
        store: &dyn Store,
        shard: &Shard,
        head: &Head,
        seen: &mut u64,
    ) -> Result<NoteSignature, NotCosigned> {
        match self.ask(store, shard, head, *seen).await? {
            Answer::Cosigned(line) => {
                *seen = head.size;
                return Ok(line);
            }
            Answer::Seen(size) => *seen = size,
        }
        match self.ask(store, shard, head, *seen).await? {
            Answer::Cosigned(line) => {
                *seen = head.size;
                Ok(line)
            }
            // Somebody else has it cosign this log at the same time.
            Answer::Seen(size) => {
                *seen = size;
                Err(NotCosigned::Refused { status: StatusCode::CONFLICT })
            }
        }
    }

    /// How much of the log the witness has cosigned; `None` if it does not say. `nothing` is a checkpoint of the empty tree.
    pub(super) async fn seen(&self, nothing: &str) -> Option<u64> {
        let body = AddCheckpoint { old: 0, proof: Vec::new(), checkpoint: nothing.to_owned() }.to_string();
        let answer = self.client.post(self.url.clone()).body(body).send().await.ok()?;
        match answer.status() {
            StatusCode::CONFLICT if tells_size(&answer) => {}
            // It begins with this one, or does not know the log.
            StatusCode::OK | StatusCode::NOT_FOUND => return Some(0),
            _ => return None,
        }
        AddCheckpoint::parse_size(&text(answer).await.ok()?)
    }

    async fn ask(&self, store: &dyn Store, shard: &Shard, head: &Head, old: u64) -> Result<Answer, NotCosigned> {
        let size = head.size;
        let plan = ProofPlan::consistency(old, size).map_err(|_| NotCosigned::Ahead { seen: old, size })?;
        let proof = hashes_of(store, shard, &plan).await?;
        let body = AddCheckpoint { old, proof, checkpoint: head.checkpoint.to_string() }.to_string();
        let answer = self.client.post(self.url.clone()).body(body).send().await.map_err(NotCosigned::Unreachable)?;
        let (status, tells_size) = (answer.status(), tells_size(&answer));
        match status {
            StatusCode::OK => {
                let body = text(answer).await?;
                self.line(head, &body).map(Answer::Cosigned).ok_or(NotCosigned::Unreadable)
            }
            StatusCode::CONFLICT if tells_size => {
                match AddCheckpoint::parse_size(&text(answer).await?).ok_or(NotCosigned::Unreadable)? {
                    // The size is right, so it is the root that differs.
                    seen if seen == old => Err(NotCosigned::OtherHistory),
                    seen if seen > size => Err(NotCosigned::Ahead { seen, size }),
                    seen => Ok(Answer::Seen(seen)),
                }
            }
            // By the specification the old size is right then, and so is our proof.
            StatusCode::UNPROCESSABLE_ENTITY => Err(NotCosigned::OtherHistory),
            status => Err(NotCosigned::Refused { status }),
        }
    }

    /// The witness's line in an answer, if it is good for this head. Lines of others are ignored.
    fn line(&self, head: &Head, body: &str) -> Option<NoteSignature> {
        let line = body.lines().filter_map(NoteSignature::parse).find(|line| line.is_by(&self.key))?;
        let mut note: SignedNote = head.checkpoint.parse().ok()?;
        note.add_line(line.clone()).ok()?;
        note.verify_cosignature(&self.key).is_ok().then_some(line)
    }
}

enum Answer {
    Cosigned(NoteSignature),
    /// Another size is what it cosigned last.
    Seen(u64),
}

fn tells_size(answer: &Response) -> bool {
    let media_type = answer.headers().get(CONTENT_TYPE).map(|value| value.as_bytes());
    media_type == Some(AddCheckpoint::SIZE_MEDIA_TYPE.as_bytes())
}

/// The body of an answer, as far as anything of the protocol could be long.
async fn text(mut answer: Response) -> Result<String, NotCosigned> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(NotCosigned::Unreachable)? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return Err(NotCosigned::Unreadable);
        }
    }
    String::from_utf8(body).map_err(|_| NotCosigned::Unreadable)
}

/// What to look for, by the status.
const fn meaning(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => ": it does not know this log, or its address is another one",
        StatusCode::FORBIDDEN => ": it does not know the key of this log; its operator must add it",
        _ => "",
    }
}

const LONGEST: usize = 64 << 10;
