//! A form with files, while it arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::multipart::{Field, Multipart};
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts as _, Request};
use axum::http::header::CONTENT_TYPE;
use futures_util::StreamExt as _;

use super::{FileFault, Received};
use crate::web::Site;
use crate::web::form::Input;
use crate::web::refusal::{Because, Refusal};
use crate::web::visit::{SentBy, SignedIn, Visit};

/// A form that may have files, from a page of this session, by somebody who signed in. Only its token is read: every form of the page
/// begins with it, so nothing is stored for whoever does not have it.
pub(in super::super) struct Arriving {
    pub(in super::super) who: SignedIn,
    rest: Rest,
}

enum Rest {
    /// The browser sent no files, and all is here.
    Here(Input),
    /// It is still to be read.
    Parts(Multipart, Allowance),
}

/// A form with its files.
pub(in super::super) struct SentFiles {
    /// The texts.
    pub(in super::super) input: Input,
    /// The files that were chosen, by their inputs' names.
    pub(in super::super) files: BTreeMap<String, Result<Received, FileFault>>,
}

/// A file that arrives.
pub(super) struct Incoming<'a> {
    field: Field<'a>,
    allowance: &'a Allowance,
}

/// Counts the bytes that arrived and are not a file's content: what reading a form can cost in memory.
#[derive(Clone, Default)]
struct Allowance(Arc<AtomicUsize>);

/// More than that arrived.
#[derive(Debug, thiserror::Error)]
#[error("the form is too long")]
struct TooLong;

impl FromRequest<Arc<Site>> for Arriving {
    type Rejection = Refusal;

    async fn from_request(request: Request, site: &Arc<Site>) -> Result<Self, Refusal> {
        if !has_parts(&request) {
            let SentBy { who, input } = SentBy::from_request(request, site).await?;
            return Ok(Self { who, rest: Rest::Here(input) });
        }
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, site).await?;
        let allowance = Allowance::default();
        let mut request = Request::from_parts(parts, allowance.watch(body));
        DefaultBodyLimit::max(MOST_ARRIVING).apply(&mut request);
        let unreadable = || visit.refuse(Because::Unreadable);
        let mut parts = Multipart::from_request(request, site).await.map_err(|_| unreadable())?;
        let first = parts.next_field().await.map_err(|_| unreadable())?.filter(|field| field.name() == Some("csrf"));
        let token = match first {
            Some(field) => field.text().await.map_err(|_| unreadable())?,
            None => return Err(visit.refuse(Because::NotFromHere)),
        };
        if !visit.session.as_ref().is_some_and(|session| session.accepts(&token)) {
            return Err(visit.refuse(Because::NotFromHere));
        }
        Ok(Self { who: visit.signed_in(site)?, rest: Rest::Parts(parts, allowance) })
    }
}

impl Arriving {
    /// Reads all of it. Files of inputs with other names are not kept.
    ///
    /// # Errors
    /// It is no form, or nothing can be stored here.
    pub(in super::super) async fn read(self, inputs: &BTreeSet<String>) -> Result<(SignedIn, SentFiles), Refusal> {
        let Self { who, rest } = self;
        match rest.read(inputs).await {
            Ok(sent) => Ok((who, sent)),
            Err(because) => Err(who.visit.refuse(because)),
        }
    }
}

impl Rest {
    async fn read(self, inputs: &BTreeSet<String>) -> Result<SentFiles, Because> {
        let (mut parts, allowance) = match self {
            Self::Here(input) => return Ok(SentFiles { input, files: BTreeMap::new() }),
            Self::Parts(parts, allowance) => (parts, allowance),
        };
        let (mut pairs, mut files) = (Vec::new(), BTreeMap::new());
        while let Some(field) = parts.next_field().await.map_err(|_| Because::Unreadable)? {
            let Some(name) = field.name().map(str::to_owned) else { return Err(Because::Unreadable) };
            let Some(called) = field.file_name() else {
                pairs.push((name, field.text().await.map_err(|_| Because::Unreadable)?));
                continue;
            };
            // Where no file is chosen, a browser sends an empty one without a name.
            let is_chosen = !called.is_empty() && inputs.contains(&name);
            let mut incoming = Incoming { field, allowance: &allowance };
            if is_chosen {
                files.insert(name, Received::take(&mut incoming).await?);
            } else {
                while incoming.chunk().await?.is_some() {}
            }
        }
        Ok(SentFiles { input: Input::new(pairs), files })
    }
}

impl Incoming<'_> {
    /// The next bytes; `None` at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Because> {
        let bytes = self.field.chunk().await.map_err(|_| Because::Unreadable)?;
        self.allowance.is_content(bytes.as_ref().map_or(0, Bytes::len));
        Ok(bytes)
    }
}

impl Allowance {
    /// Ends a body that is too long but for the content of its files. The reader of parts keeps what it cannot tell yet, however long.
    fn watch(&self, body: Body) -> Body {
        let all = self.clone();
        Body::from_stream(body.into_data_stream().map(move |bytes| match bytes {
            Ok(bytes) if all.0.fetch_add(bytes.len(), Ordering::Relaxed) > MOST_BESIDE_FILES => {
                Err(axum::Error::new(TooLong))
            }
            other => other,
        }))
    }

    /// So many of the bytes were a file's, and are let go.
    fn is_content(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn has_parts(request: &Request) -> bool {
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type.is_some_and(|media_type| media_type.to_ascii_lowercase().starts_with("multipart/form-data"))
}

/// Far more than the texts of a form, and what arrives at once.
const MOST_BESIDE_FILES: usize = 2 << 20;
/// A film that was chosen by mistake is read to its end, and not kept, so that the browser shows why.
const MOST_ARRIVING: usize = 512 << 20;
