//! What an authority answers (RFC 3161 section 2.4.2).

use der::{Decode as _, Encode as _};

use crate::asn1::TimeStampResp;

/// A reply holds no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    /// Not a reply of RFC 3161.
    #[error("the answer is not a reply of RFC 3161")]
    Malformed,
    /// The authority refuses.
    #[error("the authority refuses: PKIStatus {status}{}", meaning(*.status))]
    Refused {
        /// `PKIStatus`.
        status: u32,
    },
}

const fn meaning(status: u32) -> &'static str {
    match status {
        2 => ", rejection",
        3 => ", waiting",
        _ => "",
    }
}

/// The token in a reply, in DER: a `ContentInfo` of CMS (RFC 5652). Nothing of it is verified.
///
/// # Errors
/// [`ReplyFault`].
pub fn token_in_reply(reply: &[u8]) -> Result<Vec<u8>, ReplyFault> {
    let reply = TimeStampResp::from_der(reply).map_err(|_| ReplyFault::Malformed)?;
    match (reply.status.status, reply.time_stamp_token) {
        // granted, grantedWithMods
        (0 | 1, Some(token)) => token.to_der().map_err(|_| ReplyFault::Malformed),
        (0 | 1, None) => Err(ReplyFault::Malformed),
        (status, _) => Err(ReplyFault::Refused { status }),
    }
}
