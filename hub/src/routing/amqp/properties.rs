//! The AMQP properties and headers of a message, as the wire contract has them.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use saphan_schemas::message_types::Timestamp;

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
    header("traceparent", &trace_parent(dispatch));
    header("cloudEvents_specversion", "1.0");
    header("cloudEvents_id", &id);
    header("cloudEvents_source", dispatch.sender.as_str());
    // The hub's own clock admitted the message, so only a hub that lives in another century leaves this out.
    if let Ok(time) = Timestamp::from_unix_seconds(dispatch.issued_at) {
        header("cloudEvents_time", time.as_str());
    }
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

/// The message's trace (W3C Trace Context, section 3.2): its id, and as the parent its place in the log, counted from 1, since a
/// parent is not 0. Not sampled: the hub records no spans.
fn trace_parent(dispatch: &Dispatch) -> String {
    let trace: String = dispatch.id.to_string().chars().filter(char::is_ascii_hexdigit).collect();
    format!("00-{trace}-{:016x}-00", dispatch.index.wrapping_add(1))
}

const JSON: &str = "application/json";
const PERSISTENT: u8 = 2;

#[cfg(test)]
mod tests {
    use saphan_schemas::ids::MessageId;

    use super::*;

    #[test]
    fn the_time_of_the_event_is_when_its_envelope_was_signed() {
        for (issued_at, text) in [(1_795_554_249, Some("2026-11-24T21:04:09Z")), (0, None)] {
            let properties = properties(&dispatch(issued_at), "hub".into());
            assert_eq!(properties.timestamp(), &Some(issued_at));
            let headers = properties.headers().as_ref().unwrap().inner();
            let expected = text.map(|text| AMQPValue::LongString(text.into()));
            assert_eq!(headers.get("cloudEvents_time"), expected.as_ref());
        }
    }

    #[test]
    fn the_trace_of_a_message_is_its_id_and_its_parent_the_place_in_the_log() {
        let id: MessageId = "01a212ef-81a1-7204-92ec-3ef299a3d682".parse().unwrap();
        let dispatch = Dispatch { id, ..dispatch(0) };
        assert_eq!(trace_parent(&dispatch), "00-01a212ef81a1720492ec3ef299a3d682-0000000000000008-00");
        let properties = properties(&dispatch, "hub".into());
        assert!(properties.headers().as_ref().unwrap().inner().contains_key("traceparent"));
    }

    fn dispatch(issued_at: u64) -> Dispatch {
        Dispatch {
            index: 7,
            recipient: "th.dlt/licensing".parse().unwrap(),
            sender: "th.dga/citizen-portal".parse().unwrap(),
            id: MessageId::new(),
            message_type: "application.submitted".parse().unwrap(),
            schema: "application.submitted@1".parse().unwrap(),
            service: None,
            case: None,
            reply_to: None,
            issued_at,
            envelope: "e".to_owned(),
            salt: "s".to_owned(),
            receipt: "r".to_owned(),
            proof: "p".to_owned(),
            body: b"{}".to_vec(),
        }
    }
}
