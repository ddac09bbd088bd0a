//! The pages: one list of paths.

mod apply;
mod assets;
mod by_hand;
mod case;
mod cases;
mod file_field;
pub(super) mod layout;
mod progress;
mod questions;
mod review;
mod service;
mod services;
mod sign_in;
mod trace;
mod watch;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::response::Redirect;
use axum::routing::{get, post};

use super::refusal::{Because, Refusal};
use super::visit::Visit;
use super::{Site, guard};

/// All pages.
pub(super) fn router(site: Arc<Site>) -> Router {
    let pages = Router::new()
        // Anybody.
        .route("/", get(services::show))
        .route("/services/{service}", get(service::show))
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        // People who signed in.
        .route("/services/{service}/apply", get(apply::show).post(apply::fill_in))
        .route("/applications/{application}", get(review::show).post(review::submit))
        .route("/applications/{application}/papers", get(by_hand::show).post(by_hand::submit))
        .route("/cases", get(cases::show))
        .route("/cases/{case}", get(case::show))
        .route("/cases/{case}/events", get(watch::events))
        .route("/cases/{case}/questions", get(questions::show).post(questions::answer))
        .route("/cases/{case}/withdraw", post(case::withdraw))
        .route("/cases/{case}/consent", post(case::revoke))
        .route("/cases/{case}/fee", get(case::fee).post(case::pay))
        .route("/trace", get(trace::show));
    Router::new()
        .route("/", get(start))
        .route("/th", get(start))
        .route("/en", get(start))
        .nest("/th/", pages.clone())
        .nest("/en/", pages)
        .route("/assets/{name}", get(assets::file))
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .layer(from_fn(guard::protect))
        .with_state(site)
}

async fn start(visit: Visit) -> Redirect {
    Redirect::to(&visit.path(""))
}

async fn not_found(visit: Visit) -> Refusal {
    visit.refuse(Because::NotFound)
}

/// Far more than any form of the catalogue holds.
const FORM_BYTES: usize = 256 * 1024;
