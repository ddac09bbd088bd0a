//! `GET /v1/log/…`: the present log, by C2SP `tlog-tiles`; `GET /v1/logs/<shard>/…`: each of the hub's logs, for ever.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use saphan_schemas::log::{Stamped, TilePath};
use saphan_schemas::problem::ProblemCode;
use saphan_timestamps::TOKEN_MEDIA_TYPE;

use super::ApiError;
use super::error::PathPart;
use crate::app::App;
use crate::ledger::file;
use crate::shards::{Log, Shard, origin};

/// The key that signs checkpoints, as a C2SP verifier key; the newest, if there are several.
#[utoipa::path(get, path = "/v1/log/vkey", tag = "anyone", responses((status = 200, content_type = "text/plain", description = "name+hash+key")))]
pub(super) async fn verifier_key(State(app): State<Arc<App>>) -> impl IntoResponse {
    let vkey = app.registry.state().keys_of_log(&app.origin).next().map(|vkey| format!("{vkey}\n"));
    ([(CONTENT_TYPE, TEXT)], vkey.unwrap_or_default())
}

/// The signed tree head, published as soon as it is signed; with the cosignatures of witnesses, once they are there.
#[utoipa::path(get, path = "/v1/log/checkpoint", tag = "anyone", responses((status = 200, content_type = "text/plain", description = "A C2SP checkpoint")))]
pub(super) async fn checkpoint(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-store")], app.newest_checkpoint().1)
}

/// The newest signed tree head that a quorum of witnesses has cosigned; a second or so behind the newest.
#[utoipa::path(
    get, path = "/v1/log/checkpoint.cosigned", tag = "anyone",
    responses(
        (status = 200, content_type = "text/plain", description = "A C2SP checkpoint with cosignatures"),
        (status = 404, description = "A problem: the hub has no witnesses, or they have not cosigned yet", content_type = "application/problem+json"),
    )
)]
pub(super) async fn cosigned_checkpoint(State(app): State<Arc<App>>) -> Result<impl IntoResponse, ApiError> {
    cosigned_of(&app, app.shards.present()).await
}

/// The key that signed a log's checkpoints.
#[utoipa::path(
    get, path = "/v1/logs/{shard}/vkey", tag = "anyone", params(("shard" = String, Path)),
    responses(
        (status = 200, content_type = "text/plain", description = "name+hash+key"),
        (status = 404, description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn shard_verifier_key(
    State(app): State<Arc<App>>,
    PathPart(shard): PathPart<String>,
) -> Result<impl IntoResponse, ApiError> {
    let log = log_of(&app, &shard)?;
    let vkey = app.registry.state().keys_of_log(&log.shard.origin).next().map(|vkey| format!("{vkey}\n"));
    Ok(([(CONTENT_TYPE, TEXT)], vkey.unwrap_or_default()))
}

/// The newest signed tree head of a log of this hub that a quorum of witnesses has cosigned; of an earlier one the last, once they have.
#[utoipa::path(
    get, path = "/v1/logs/{shard}/checkpoint.cosigned", tag = "anyone", params(("shard" = String, Path)),
    responses(
        (status = 200, content_type = "text/plain", description = "A C2SP checkpoint with cosignatures"),
        (status = 404, description = "A problem: no such log, or it is not cosigned", content_type = "application/problem+json"),
    )
)]
pub(super) async fn shard_cosigned_checkpoint(
    State(app): State<Arc<App>>,
    PathPart(shard): PathPart<String>,
) -> Result<impl IntoResponse, ApiError> {
    cosigned_of(&app, &log_of(&app, &shard)?.shard).await
}

async fn cosigned_of(app: &App, shard: &Shard) -> Result<impl IntoResponse + use<>, ApiError> {
    let cosigned = app.cosigned_of(shard).await?;
    let why = || {
        let is_asked = app.witnesses.is_some();
        if is_asked { "no quorum of witnesses has cosigned yet" } else { "this hub has no witnesses" }.to_owned()
    };
    let cosigned = cosigned.ok_or_else(|| ApiError::detailed(ProblemCode::NotFound, why()))?;
    Ok(([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-store")], cosigned.text.clone()))
}

/// The signed tree head of a log of this hub; of an earlier one the last that there is, with the cosignatures once they are there.
#[utoipa::path(
    get, path = "/v1/logs/{shard}/checkpoint", tag = "anyone", params(("shard" = String, Path)),
    responses(
        (status = 200, content_type = "text/plain", description = "A C2SP checkpoint"),
        (status = 404, description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn shard_checkpoint(
    State(app): State<Arc<App>>,
    PathPart(shard): PathPart<String>,
) -> Result<Response, ApiError> {
    let Log { shard, end } = log_of(&app, &shard)?;
    let text = match end.size() {
        None => app.newest_checkpoint().1,
        Some(size) => match app.cosigned_of(shard).await?.filter(|cosigned| cosigned.size == size) {
            Some(cosigned) => cosigned.text.clone(),
            None => {
                let text = app.store.checkpoint(shard.first + size).await?;
                text.ok_or_else(|| ApiError::problem(ProblemCode::Internal))?
            }
        },
    };
    Ok(([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-store")], text).into_response())
}

/// A tile or a bundle of a log of this hub.
#[utoipa::path(
    get, path = "/v1/logs/{shard}/tile/{*path}", tag = "anyone",
    params(("shard" = String, Path), ("path" = String, Path, description = "<L>/<N>[.p/<W>] or entries/<N>[.p/<W>]")),
    responses(
        (status = 200, content_type = "application/octet-stream", description = "A C2SP tile or entry bundle"),
        (status = 404, description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn shard_tile(
    State(app): State<Arc<App>>,
    PathPart((shard, path)): PathPart<(String, String)>,
) -> Result<Response, ApiError> {
    let Log { shard, end } = log_of(&app, &shard)?;
    let size = end.size().unwrap_or_else(|| app.ledger.committed().borrow().size);
    tile_of(&app, shard, size, &path).await
}

fn log_of<'a>(app: &'a App, name: &str) -> Result<&'a Log, ApiError> {
    app.shards.of_origin(&origin(&app.hub, name)).ok_or_else(|| ApiError::problem(ProblemCode::NotFound))
}

/// A tile of hashes or a bundle of entries.
#[utoipa::path(
    get, path = "/v1/log/tile/{*path}", tag = "anyone",
    params(("path" = String, Path, description = "<L>/<N>[.p/<W>] or entries/<N>[.p/<W>]")),
    responses(
        (status = 200, content_type = "application/octet-stream", description = "A C2SP tile or entry bundle"),
        (status = 404, description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn tile(State(app): State<Arc<App>>, PathPart(path): PathPart<String>) -> Result<Response, ApiError> {
    let size = app.ledger.committed().borrow().size;
    tile_of(&app, app.shards.present(), size, &path).await
}

async fn tile_of(app: &App, shard: &Shard, size: u64, path: &str) -> Result<Response, ApiError> {
    let not_found = || ApiError::problem(ProblemCode::NotFound);
    let path: TilePath = format!("tile/{path}").parse().map_err(|_| not_found())?;
    if !path.exists_at(size) {
        return Err(not_found());
    }
    let bytes = file(&*app.store, shard, &path).await?;
    Ok(([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, IMMUTABLE)], bytes).into_response())
}

/// Which checkpoints have timestamps: 256 lines of size and time a page. Only the last page still grows.
#[utoipa::path(
    get, path = "/v1/log/timestamps/pages/{page}", tag = "anyone",
    params(("page" = u64, Path, description = "Counted from 0")),
    responses(
        (status = 200, content_type = "text/plain", description = "Lines `<size> <seconds since 1970>`, by size"),
        (status = 404, description = "A problem: there are not so many", content_type = "application/problem+json"),
    )
)]
pub(super) async fn timestamps(
    State(app): State<Arc<App>>,
    PathPart(page): PathPart<u64>,
) -> Result<impl IntoResponse, ApiError> {
    timestamps_of(&app, app.shards.present(), page).await
}

/// The same of each log of the hub.
#[utoipa::path(
    get, path = "/v1/logs/{shard}/timestamps/pages/{page}", tag = "anyone",
    params(("shard" = String, Path, description = "The shard's name"), ("page" = u64, Path, description = "Counted from 0")),
    responses(
        (status = 200, content_type = "text/plain", description = "Lines `<size> <seconds since 1970>`, by size"),
        (status = 404, description = "A problem: there are not so many", content_type = "application/problem+json"),
    )
)]
pub(super) async fn shard_timestamps(
    State(app): State<Arc<App>>,
    PathPart((shard, page)): PathPart<(String, u64)>,
) -> Result<impl IntoResponse, ApiError> {
    timestamps_of(&app, &log_of(&app, &shard)?.shard, page).await
}

async fn timestamps_of(app: &App, shard: &Shard, page: u64) -> Result<impl IntoResponse + use<>, ApiError> {
    let first = page.checked_mul(Stamped::PER_PAGE);
    let first = first.ok_or_else(|| ApiError::problem(ProblemCode::NotFound))?;
    let stamped = app.store.timestamps(shard, first, Stamped::PER_PAGE as u32).await?;
    if stamped.is_empty() {
        return Err(ApiError::problem(ProblemCode::NotFound));
    }
    let lasting = if stamped.len() as u64 == Stamped::PER_PAGE { IMMUTABLE } else { "no-store" };
    Ok(([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, lasting)], Stamped::to_page(&stamped)))
}

/// A timestamp (RFC 3161) on the checkpoint of a size: a token over the checkpoint's text, without signatures.
#[utoipa::path(
    get, path = "/v1/log/timestamps/{size}", tag = "anyone",
    params(("size" = u64, Path, description = "The number of entries")),
    responses(
        (status = 200, content_type = "application/cms", description = "A TimeStampToken in DER"),
        (status = 404, description = "A problem: there is none for this size", content_type = "application/problem+json"),
    )
)]
pub(super) async fn timestamp(
    State(app): State<Arc<App>>,
    PathPart(size): PathPart<u64>,
) -> Result<impl IntoResponse, ApiError> {
    timestamp_of(&app, app.shards.present(), size).await
}

/// The same of each log of the hub.
#[utoipa::path(
    get, path = "/v1/logs/{shard}/timestamps/{size}", tag = "anyone",
    params(("shard" = String, Path, description = "The shard's name"), ("size" = u64, Path, description = "The number of entries")),
    responses(
        (status = 200, content_type = "application/cms", description = "A TimeStampToken in DER"),
        (status = 404, description = "A problem: there is none for this size", content_type = "application/problem+json"),
    )
)]
pub(super) async fn shard_timestamp(
    State(app): State<Arc<App>>,
    PathPart((shard, size)): PathPart<(String, u64)>,
) -> Result<impl IntoResponse, ApiError> {
    timestamp_of(&app, &log_of(&app, &shard)?.shard, size).await
}

async fn timestamp_of(app: &App, shard: &Shard, size: u64) -> Result<impl IntoResponse + use<>, ApiError> {
    let token = app.store.timestamp(shard, size).await?.ok_or_else(|| ApiError::problem(ProblemCode::NotFound))?;
    Ok(([(CONTENT_TYPE, TOKEN_MEDIA_TYPE), (CACHE_CONTROL, IMMUTABLE)], token))
}

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
