//! The AMQP properties and headers of a message, as the wire contract has them.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use saphan_schemas::message_types::Timestamp;

use crate::routing::transport::Dispatch;

/// Properties for the tools of a broker, headers for the receiver; and the body. `user` must be the login, or the broker refuses.
pub(super) fn properties(dispatch: Dispatch, user: ShortString) -> (BasicProperties, Vec<u8>) {
    let Dispatch { index, claims, envelope, salt, receipt, proof, body } = dispatch;
    let id = claims.jti.to_string();
    let trace_parent = trace_parent(&id, index);
    let mut headers = FieldTable::default();
    let mut header = |name: &str, value: String| {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    };
    header("saphan-envelope", envelope);
    header("saphan-salt", salt);
    header("saphan-receipt", receipt);
    header("saphan-proof", proof);
    if let Some(answered) = claims.reply_to {
        header("saphan-reply-to", answered.to_string());
    }
    if let Some(service) = &claims.service {
        header("saphan-service", service.as_str().to_owned());
    }
    header("traceparent", trace_parent);
    header("cloudEvents_specversion", "1.0".to_owned());
    header("cloudEvents_id", id.clone());
    header("cloudEvents_source", claims.iss.as_str().to_owned());
    // The hub's own clock admitted the message, so only a hub that lives in another century leaves this out.
    if let Ok(time) = Timestamp::from_unix_seconds(claims.iat) {
        header("cloudEvents_time", time.as_str().to_owned());
    }
    header("cloudEvents_type", claims.message_type.as_str().to_owned());
    header("cloudEvents_dataschema", claims.schema.urn());

    let properties = BasicProperties::default()
        .with_content_type(JSON.into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(id.into())
        .with_type(claims.message_type.as_str().into())
        .with_timestamp(claims.iat)
        .with_user_id(user)
        .with_headers(headers);
    let properties = match claims.case {
        Some(case) => properties.with_correlation_id(case.to_string().into()),
        None => properties,
    };
    (properties, body)
}

/// The message's trace (W3C Trace Context, section 3.2): its id, and as the parent its place in the log, counted from 1, since a
/// parent is not 0. Not sampled: the hub records no spans.
fn trace_parent(id: &str, index: u64) -> String {
    let trace = id.replace('-', "");
    format!("00-{trace}-{:016x}-00", index.wrapping_add(1))
}

const JSON: &str = "application/json";
const PERSISTENT: u8 = 2;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use saphan_schemas::commitment::{BodyCommitment, Salt};
    use serde_json::json;

    use super::*;

    #[test]
    fn the_time_of_the_event_is_when_its_envelope_was_signed() {
        for (issued_at, text) in [(1_795_554_249, Some("2026-11-24T21:04:09Z")), (0, None)] {
            let (properties, _) = properties(dispatch(issued_at), "hub".into());
            assert_eq!(properties.timestamp(), &Some(issued_at));
            let headers = properties.headers().as_ref().unwrap().inner();
            let expected = text.map(|text| AMQPValue::LongString(text.into()));
            assert_eq!(headers.get("cloudEvents_time"), expected.as_ref());
        }
    }

    #[test]
    fn the_trace_of_a_message_is_its_id_and_its_parent_the_place_in_the_log() {
        let (properties, _) = properties(dispatch(0), "hub".into());
        let expected = AMQPValue::LongString("00-01a212ef81a1720492ec3ef299a3d682-0000000000000008-00".into());
        assert_eq!(properties.headers().as_ref().unwrap().inner().get("traceparent"), Some(&expected));
    }

    fn dispatch(issued_at: u64) -> Dispatch {
        let claims = json!({
            "iss": "th.dga/citizen-portal",
            "aud": "th.dlt/licensing",
            "hub": "hub.local",
            "jti": "01a212ef-81a1-7204-92ec-3ef299a3d682",
            "iat": issued_at,
            "type": "application.submitted",
            "schema": "application.submitted@1",
            "body": BodyCommitment::new(&Salt::from_bytes([0; 32]), b"{}"),
        });
        Dispatch {
            index: 7,
            claims: Arc::new(serde_json::from_value(claims).unwrap()),
            envelope: "e".to_owned(),
            salt: "s".to_owned(),
            receipt: "r".to_owned(),
            proof: "p".to_owned(),
            body: b"{}".to_vec(),
        }
    }
}
