//! Handlers: what an agency does with a message, by its type.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use saphan_schemas::ids::{Code, SchemaId};
use saphan_schemas::message_types::MessageBody;
use saphan_schemas::problem::ProblemCode;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{ConnectorError, own_code};
use crate::message::{Message, Received};
use crate::outgoing::OutgoingMessage;

/// What became of a message.
#[derive(Debug, Clone)]
pub enum Handled {
    /// Its effect is durable. The message is acknowledged as processed and never handled again.
    Done,
    /// As [`Handled::Done`], and these messages go out. They enter the outbox in the same transaction that records the
    /// outcome, so a crash neither loses nor doubles them.
    Reply(Vec<OutgoingMessage>),
    /// Not now. The message stays in the inbox and is handled again: after the time given, or with back-off.
    Retry {
        /// How long to wait at least; `None` leaves it to the back-off.
        after: Option<Duration>,
    },
    /// Never. The message is acknowledged as rejected with this code, which its sender sees. No personal data in it.
    Reject(Code),
}

/// Why a handler could not do its work; any error fits. The message is handled again with back-off.
///
/// The connector does not log its text, which might quote the message; a handler that wants it logged logs it.
pub type HandlerError = Box<dyn std::error::Error + Send + Sync>;

pub(crate) type HandlerFuture = Pin<Box<dyn Future<Output = Result<Handled, HandlerError>> + Send>>;
type Handler = Box<dyn Fn(Arc<Received>) -> HandlerFuture + Send + Sync>;

/// The handlers of a connector, by schema.
#[derive(Default)]
pub(crate) struct Handlers {
    by_schema: HashMap<SchemaId, Handler>,
    any: Option<Handler>,
}

impl Handlers {
    pub(crate) fn add<T, F, Fut>(&mut self, handler: F) -> Result<(), ConnectorError>
    where
        T: MessageBody + Send + 'static,
        F: Fn(Message<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Handled, HandlerError>> + Send + 'static,
    {
        let schema: SchemaId = T::SCHEMA.parse().map_err(|_| ConnectorError::SchemaId { name: T::SCHEMA })?;
        match self.by_schema.insert(schema, typed(handler)) {
            None => Ok(()),
            Some(_) => Err(ConnectorError::TwoHandlers { schema: T::SCHEMA.to_owned() }),
        }
    }

    pub(crate) fn add_any<F, Fut>(&mut self, handler: F) -> Result<(), ConnectorError>
    where
        F: Fn(Message<Value>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Handled, HandlerError>> + Send + 'static,
    {
        match self.any.replace(typed(handler)) {
            None => Ok(()),
            Some(_) => Err(ConnectorError::TwoHandlers { schema: "every other type".to_owned() }),
        }
    }

    /// Starts the handler that the message's schema asks for. A type that nobody handles is rejected.
    pub(crate) fn call(&self, message: Arc<Received>) -> HandlerFuture {
        match self.by_schema.get(&message.claims().schema).or(self.any.as_ref()) {
            Some(handler) => handler(message),
            None => Box::pin(std::future::ready(reject(ProblemCode::TypeUnknown))),
        }
    }
}

fn typed<T, F, Fut>(handler: F) -> Handler
where
    T: DeserializeOwned,
    F: Fn(Message<T>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Handled, HandlerError>> + Send + 'static,
{
    Box::new(move |received| match serde_json::from_slice::<T>(received.body()) {
        Ok(body) => Box::pin(handler(Message::new(received, body))),
        // The hub validated the body against its schema: here schema and Rust type do not fit, and no retry helps.
        Err(_) => Box::pin(std::future::ready(reject(ProblemCode::SchemaViolation))),
    })
}

fn reject(problem: ProblemCode) -> Result<Handled, HandlerError> {
    own_code(problem).map(Handled::Reject).ok_or_else(|| "a code of the problem table is not a code".into())
}
