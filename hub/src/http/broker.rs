//! `POST /v1/broker/…`: what RabbitMQ asks through `rabbitmq_auth_backend_http`. Forms in, one word out, always 200: for the
//! plugin every other status is an error of the hub.
//!
//! Only a login is proven, by its token. The other questions come without proof; their answers tell a stranger no more than
//! which systems receive at the broker, and RabbitMQ asks them only for users whom it let in.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use saphan_schemas::auth::{BROKER_METHOD, BROKER_PATH};
use saphan_schemas::ids::SystemId;
use saphan_schemas::problem::ProblemCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::auth::{self, Target};
use crate::app::App;
use crate::broker::access::{Permission, Resource, Rules};
use crate::metrics::BrokerQuestion;

/// A login. Versions of RabbitMQ send more fields with it.
#[derive(Deserialize, ToSchema)]
pub(super) struct UserForm {
    /// A system id, or the hub's name.
    username: String,
    /// A token bound to `AMQP` and `/saphan`. Empty when the client gave none.
    #[serde(default)]
    password: String,
}

/// May the user enter?
#[derive(Deserialize, ToSchema)]
pub(super) struct VhostForm {
    username: String,
    /// The virtual host.
    vhost: String,
}

/// May the user do this?
#[derive(Deserialize, ToSchema)]
pub(super) struct ResourceForm {
    username: String,
    /// The virtual host.
    vhost: String,
    /// `queue`, `exchange` or `topic`.
    resource: String,
    /// The resource's name.
    name: String,
    /// `configure`, `write` or `read`.
    permission: String,
}

/// Whether somebody may log in at the broker.
#[utoipa::path(
    post, path = "/v1/broker/user", tag = "broker", operation_id = "broker_user",
    request_body(content = UserForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "`allow`, `allow administrator` (the hub) or `deny`", body = String, content_type = "text/plain"))
)]
pub(super) async fn user(State(app): State<Arc<App>>, form: Result<Form<UserForm>, FormRejection>) -> &'static str {
    let Ok(Form(login)) = form else {
        return deny(&app, BrokerQuestion::User, ProblemCode::RequestMalformed);
    };
    let outcome = if login.username == app.hub.as_str() { hub(&app, &login) } else { system(&app, &login) };
    match outcome {
        Ok(word) => word,
        Err(code) => deny(&app, BrokerQuestion::User, code),
    }
}

/// Whether a user may enter a virtual host.
#[utoipa::path(
    post, path = "/v1/broker/vhost", tag = "broker", operation_id = "broker_vhost",
    request_body(content = VhostForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "`allow` or `deny`", body = String, content_type = "text/plain"))
)]
pub(super) async fn vhost(State(app): State<Arc<App>>, form: Result<Form<VhostForm>, FormRejection>) -> &'static str {
    answer(&app, BrokerQuestion::Vhost, form, |rules, form| rules.may_enter(&form.username, &form.vhost))
}

/// Whether a user may configure, write to or read from a queue or an exchange.
#[utoipa::path(
    post, path = "/v1/broker/resource", tag = "broker", operation_id = "broker_resource",
    request_body(content = ResourceForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "`allow` or `deny`", body = String, content_type = "text/plain"))
)]
pub(super) async fn resource(
    State(app): State<Arc<App>>,
    form: Result<Form<ResourceForm>, FormRejection>,
) -> &'static str {
    answer(&app, BrokerQuestion::Resource, form, ResourceForm::is_allowed)
}

/// Whether a user may use a routing key of a topic exchange. There are none for systems.
#[utoipa::path(
    post, path = "/v1/broker/topic", tag = "broker", operation_id = "broker_topic",
    request_body(content = ResourceForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "`allow` or `deny`", body = String, content_type = "text/plain"))
)]
pub(super) async fn topic(
    State(app): State<Arc<App>>,
    form: Result<Form<ResourceForm>, FormRejection>,
) -> &'static str {
    answer(&app, BrokerQuestion::Topic, form, ResourceForm::is_allowed)
}

impl ResourceForm {
    fn is_allowed(rules: &Rules<'_>, form: &Self) -> bool {
        let resource = if form.resource == "queue" { Resource::Queue(&form.name) } else { Resource::Other };
        let permission = if form.permission == "read" { Permission::Read } else { Permission::Other };
        rules.may_use(&form.username, &form.vhost, resource, permission)
    }
}

fn hub(app: &App, login: &UserForm) -> Result<&'static str, ProblemCode> {
    let token = auth::parse(&login.password).map_err(|error| error.code())?;
    auth::hub(token, app, &BROKER).map_err(|error| error.code())?;
    // For the management interface, through which it closes connections.
    Ok("allow administrator")
}

fn system(app: &App, login: &UserForm) -> Result<&'static str, ProblemCode> {
    if login.password.is_empty() {
        return Err(ProblemCode::TokenMissing);
    }
    let token = auth::parse(&login.password).map_err(|error| error.code())?;
    let system: SystemId = auth::system(token, app, &BROKER).map_err(|error| error.code())?;
    if login.username != system.as_str() {
        return Err(ProblemCode::SenderMismatch);
    }
    let registry = app.registry.state();
    let rules = Rules { hub: &app.hub, registry: &registry, now: app.clock.now_ms() / 1000 };
    rules.admits(&system).inspect_err(|code| {
        tracing::info!(%system, code = code.as_str(), "a system that proved who it is may not use the broker");
    })?;
    Ok(ALLOW)
}

fn answer<T>(
    app: &App,
    question: BrokerQuestion,
    form: Result<Form<T>, FormRejection>,
    is_allowed: impl Fn(&Rules<'_>, &T) -> bool,
) -> &'static str {
    let Ok(Form(form)) = form else { return deny(app, question, ProblemCode::RequestMalformed) };
    let registry = app.registry.state();
    let rules = Rules { hub: &app.hub, registry: &registry, now: app.clock.now_ms() / 1000 };
    if is_allowed(&rules, &form) { ALLOW } else { deny(app, question, ProblemCode::Forbidden) }
}

/// Names of users and things are not logged: nobody has proven them. RabbitMQ's own log has them.
fn deny(app: &App, question: BrokerQuestion, code: ProblemCode) -> &'static str {
    app.metrics.broker_refusal(question);
    tracing::info!(question = question.as_str(), code = code.as_str(), "the broker was told to refuse");
    "deny"
}

const ALLOW: &str = "allow";
const BROKER: Target<'static> = Target { method: BROKER_METHOD, path: BROKER_PATH };
