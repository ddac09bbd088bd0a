//! The AMQP properties and headers of a message, as the wire contract has them.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::routing::transport::Dispatch;

/// Properties for the tools of a broker, headers for the receiver. `user` must be the login, or the broker refuses.
pub(super) fn properties(dispatch: &Dispatch, user: ShortString) -> BasicProperties {
    let id = dispatch.id.to_string();
    let mut headers = FieldTable::default();
    let mut header = |name: &str, value: &str| {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    };
    header("saphan-envelope", &dispatch.envelope);
    header("saphan-salt", &dispatch.salt);
    header("saphan-receipt", &dispatch.receipt);
    header("saphan-proof", &dispatch.proof);
    if let Some(answered) = dispatch.reply_to {
        header("saphan-reply-to", &answered.to_string());
    }
    if let Some(service) = &dispatch.service {
        header("saphan-service", service.as_str());
    }
    header("cloudEvents_specversion", "1.0");
    header("cloudEvents_id", &id);
    header("cloudEvents_source", dispatch.sender.as_str());
    header("cloudEvents_type", dispatch.message_type.as_str());
    header("cloudEvents_dataschema", &dispatch.schema.urn());

    let properties = BasicProperties::default()
        .with_content_type(JSON.into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(id.into())
        .with_type(dispatch.message_type.as_str().into())
        .with_timestamp(dispatch.issued_at)
        .with_user_id(user)
        .with_headers(headers);
    match dispatch.case {
        Some(case) => properties.with_correlation_id(case.to_string().into()),
        None => properties,
    }
}

const JSON: &str = "application/json";
const PERSISTENT: u8 = 2;
