//! Strict base64: RFC 4648 section 4 (standard, padded) and section 5 (URL-safe, unpadded).
//!
//! Decoders refuse wrong padding, foreign characters and non-zero trailing bits, so that a text has
//! one reading and bytes have one text.

use std::fmt;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, URL_SAFE_NO_PAD};

use crate::commitment::Salt;

/// The text is not base64 of the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not strict base64 of the expected form (RFC 4648)")]
pub struct NotBase64;

/// URL-safe, without padding.
#[must_use]
pub fn encode_url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The inverse of [`encode_url`].
///
/// # Errors
/// [`NotBase64`] for anything [`encode_url`] does not produce.
pub fn decode_url(text: impl AsRef<[u8]>) -> Result<Vec<u8>, NotBase64> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| NotBase64)
}

/// Standard alphabet, with padding.
#[must_use]
pub fn encode_std(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// The inverse of [`encode_std`].
///
/// # Errors
/// [`NotBase64`] for anything [`encode_std`] does not produce.
pub fn decode_std(text: impl AsRef<[u8]>) -> Result<Vec<u8>, NotBase64> {
    STANDARD.decode(text).map_err(|_| NotBase64)
}

/// Decodes URL-safe text into exactly `N` bytes.
///
/// # Errors
/// [`NotBase64`] for other text or another length.
pub fn decode_url_array<const N: usize>(text: impl AsRef<[u8]>) -> Result<[u8; N], NotBase64> {
    decode_array(&URL_SAFE_NO_PAD, text.as_ref())
}

/// Decodes standard text into exactly `N` bytes.
///
/// # Errors
/// [`NotBase64`] for other text or another length.
pub fn decode_std_array<const N: usize>(text: impl AsRef<[u8]>) -> Result<[u8; N], NotBase64> {
    decode_array(&STANDARD, text.as_ref())
}

fn decode_array<const N: usize>(engine: &GeneralPurpose, text: &[u8]) -> Result<[u8; N], NotBase64> {
    let mut bytes = [0; N];
    match engine.decode_slice(text, &mut bytes) {
        Ok(len) if len == N => Ok(bytes),
        _ => Err(NotBase64),
    }
}

/// Shows bytes as [`encode_url`] writes them.
pub(crate) fn show_url(bytes: &[u8]) -> impl fmt::Display {
    Base64Display::new(bytes, &URL_SAFE_NO_PAD)
}

/// Shows bytes as [`encode_std`] writes them.
pub(crate) fn show_std(bytes: &[u8]) -> impl fmt::Display {
    Base64Display::new(bytes, &STANDARD)
}

/// Appends what [`encode_url`] would return.
pub(crate) fn push_url(to: &mut String, bytes: impl AsRef<[u8]>) {
    URL_SAFE_NO_PAD.encode_string(bytes, to);
}

/// Appends what [`encode_std`] would return.
pub fn push_std(to: &mut String, bytes: impl AsRef<[u8]>) {
    STANDARD.encode_string(bytes, to);
}

/// Salt and body as files hold them: both or none.
///
/// # Errors
/// [`NotBase64`], also when only one of the two is there.
pub(crate) fn opened(salt: Option<&str>, body: Option<&str>) -> Result<Option<(Salt, Vec<u8>)>, NotBase64> {
    match (salt, body) {
        (Some(salt), Some(body)) => Ok(Some((salt.parse()?, decode_std(body)?))),
        (None, None) => Ok(None),
        _ => Err(NotBase64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_non_zero_trailing_bits_is_refused() {
        assert_eq!(encode_url([0xff]), "_w");
        assert_eq!(decode_url("_x"), Err(NotBase64));
        assert_eq!(decode_url("_w=="), Err(NotBase64));
        assert_eq!(decode_std("/w"), Err(NotBase64));
    }

    #[test]
    fn an_array_is_read_from_the_text_of_just_so_many_bytes() {
        for bytes in [[7; 32], [255; 32]] {
            assert_eq!(decode_url_array(encode_url(bytes)), Ok(bytes));
            assert_eq!(decode_std_array(encode_std(bytes)), Ok(bytes));
        }
        for other in [&[7; 31][..], &[7; 33], &[7; 34], &[7; 35], &[]] {
            assert_eq!(decode_url_array::<32>(encode_url(other)), Err(NotBase64), "{}", other.len());
            assert_eq!(decode_std_array::<32>(encode_std(other)), Err(NotBase64), "{}", other.len());
        }
    }
}
