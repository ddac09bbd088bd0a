//! Whether a document's content is of the media type that was stated for it. By its first bytes: enough to find a mistake, and a
//! program that goes by the name of a picture; not whether a file is sound.

/// Whether content that begins like this may go by this media type (`type/subtype`, any case).
pub(super) fn fits(media_type: &str, head: &[u8]) -> bool {
    let media_type = media_type.to_ascii_lowercase();
    match stated(&media_type) {
        Some(kinds) => kinds.iter().any(|kind| kind.is_of(head)),
        // A type that is not in the table is believed, unless the content is plainly something else.
        None => media_type != ANYTHING && KNOWN.iter().all(|kind| kind.is_container() || !kind.is_of(head)),
    }
}

/// What is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pdf,
    Png,
    Jpeg,
    Gif,
    Tiff,
    Webp,
    Heif,
    /// Also what is packed in it: Office Open XML, OpenDocument.
    Zip,
    /// Microsoft's compound files: Word, Excel and PowerPoint up to 2003.
    Ole,
    Gzip,
    Rtf,
    Json,
    Xml,
    Html,
    Text,
    Program,
}

fn stated(media_type: &str) -> Option<&'static [Kind]> {
    Some(match media_type {
        "application/pdf" => &[Kind::Pdf],
        "image/png" => &[Kind::Png],
        "image/jpeg" => &[Kind::Jpeg],
        "image/gif" => &[Kind::Gif],
        "image/tiff" => &[Kind::Tiff],
        "image/webp" => &[Kind::Webp],
        "image/heic" | "image/heif" | "image/avif" => &[Kind::Heif],
        "image/svg+xml" | "application/xml" | "text/xml" => &[Kind::Xml],
        "application/zip" | "application/epub+zip" => &[Kind::Zip],
        "application/gzip" => &[Kind::Gzip],
        "application/msword" | "application/vnd.ms-excel" | "application/vnd.ms-powerpoint" => &[Kind::Ole],
        "application/rtf" | "text/rtf" => &[Kind::Rtf],
        "application/json" => &[Kind::Json],
        "text/html" => &[Kind::Html],
        "application/xhtml+xml" => &[Kind::Html, Kind::Xml],
        other if other.starts_with("application/vnd.openxmlformats-officedocument.") => &[Kind::Zip],
        other if other.starts_with("application/vnd.oasis.opendocument.") => &[Kind::Zip],
        other if other.ends_with("+xml") => &[Kind::Xml],
        other if other.ends_with("+json") => &[Kind::Json],
        other if other.ends_with("+zip") => &[Kind::Zip],
        other if other.starts_with("text/") => &[Kind::Text],
        _ => return None,
    })
}

impl Kind {
    fn is_of(self, head: &[u8]) -> bool {
        let begins = |magic: &[u8]| head.starts_with(magic);
        match self {
            // Readers look for it in the first kilobyte (ISO 32000-1, implementation note 13).
            Self::Pdf => head[..head.len().min(1024)].windows(5).any(|window| window == b"%PDF-"),
            Self::Png => begins(b"\x89PNG\r\n\x1a\n"),
            Self::Jpeg => begins(b"\xff\xd8\xff"),
            Self::Gif => begins(b"GIF87a") || begins(b"GIF89a"),
            Self::Tiff => begins(b"II*\0") || begins(b"MM\0*"),
            Self::Webp => begins(b"RIFF") && head.get(8..12) == Some(b"WEBP"),
            Self::Heif => head.get(4..8) == Some(b"ftyp"),
            Self::Zip => begins(b"PK\x03\x04") || begins(b"PK\x05\x06"),
            Self::Ole => begins(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
            Self::Gzip => begins(b"\x1f\x8b"),
            Self::Rtf => begins(b"{\\rtf"),
            Self::Json => {
                is_utf8(head) && text(head).first().is_some_and(|first| b"{[\"-0123456789tfn".contains(first))
            }
            Self::Xml => is_text(head) && text(head).starts_with(b"<") && !is_html(head),
            Self::Html => is_text(head) && is_html(head),
            // Also in the Thai code pages of old; a program is none.
            Self::Text => is_text(head) && !Self::Program.is_of(head),
            Self::Program => begins(b"MZ") || begins(b"\x7fELF") || begins(b"#!") || begins(b"\xca\xfe\xba\xbe"),
        }
    }

    /// Whether other types may well look like it.
    const fn is_container(self) -> bool {
        matches!(self, Self::Zip | Self::Ole | Self::Gzip | Self::Heif | Self::Xml | Self::Json | Self::Text)
    }
}

/// Without a byte order mark and white space.
fn text(head: &[u8]) -> &[u8] {
    head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start()
}

fn is_html(head: &[u8]) -> bool {
    let text = text(head);
    [&b"<!doctype html"[..], b"<html"]
        .iter()
        .any(|tag| text.get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag)))
}

/// No control characters but those of text.
fn is_text(head: &[u8]) -> bool {
    !head.iter().any(|byte| matches!(byte, 0..=8 | 11 | 14..=26 | 28..=31 | 127))
}

/// UTF-8, perhaps cut off in the middle of a character.
fn is_utf8(head: &[u8]) -> bool {
    std::str::from_utf8(head).err().is_none_or(|error| error.error_len().is_none())
}

/// Says nothing, and so cannot be right or wrong.
const ANYTHING: &str = "application/octet-stream";
const KNOWN: [Kind; 16] = [
    Kind::Pdf,
    Kind::Png,
    Kind::Jpeg,
    Kind::Gif,
    Kind::Tiff,
    Kind::Webp,
    Kind::Heif,
    Kind::Zip,
    Kind::Ole,
    Kind::Gzip,
    Kind::Rtf,
    Kind::Json,
    Kind::Xml,
    Kind::Html,
    Kind::Text,
    Kind::Program,
];

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: [(&str, &[u8]); 12] = [
        ("application/pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3"),
        ("image/png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("image/jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
        ("image/tiff", b"II*\0\x08\0\0\0"),
        ("image/gif", b"GIF89a\x01\0\x01\0"),
        ("application/zip", b"PK\x03\x04\x14\0\0\0"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", b"PK\x03\x04\x14\0\x06\0"),
        ("application/msword", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0"),
        ("application/json", "\u{feff} {\"ชื่อ\":1}".as_bytes()),
        ("application/xml", b"<?xml version=\"1.0\"?>"),
        ("text/html", b"<!DOCTYPE HTML><title>"),
        ("text/csv", "ลำดับ,ชื่อ\r\n".as_bytes()),
    ];

    #[test]
    fn each_sample_fits_its_own_type_and_no_picture_fits_another() {
        for (media_type, head) in SAMPLES {
            assert!(fits(media_type, head), "{media_type}");
            assert!(fits(&media_type.to_uppercase(), head), "{media_type}");
            for (other, _) in SAMPLES.iter().filter(|(other, _)| other.starts_with("image/") && *other != media_type) {
                assert!(!fits(other, head), "{media_type} as {other}");
            }
        }
    }

    #[test]
    fn a_program_is_no_document_whatever_it_is_called() {
        for head in [&b"MZ\x90\0\x03"[..], b"\x7fELF\x02\x01", b"#!/bin/sh\n"] {
            for media_type in
                ["application/pdf", "text/plain", "image/png", "application/vnd.acme.form", "application/octet-stream"]
            {
                assert!(!fits(media_type, head), "{media_type}: {head:?}");
            }
        }
    }

    #[test]
    fn an_unknown_type_is_believed_unless_the_content_is_plainly_another() {
        assert!(fits("application/vnd.acme.form", b"\x01\x02form"));
        assert!(fits("application/vnd.acme.form", b"PK\x03\x04"));
        assert!(!fits("application/vnd.acme.form", b"%PDF-1.7"));
        assert!(!fits("application/octet-stream", b"anything"));
    }

    #[test]
    fn text_in_thai_code_pages_is_text_and_a_character_may_be_cut_off() {
        assert!(fits("text/plain", b"\xa1\xc3\xd8\xa7\xe0\xb7\xbe\n"));
        let json = "[\"กรุงเทพ\"]".as_bytes();
        assert!(fits("application/json", &json[..4]));
        assert!(!fits("application/json", b"[\"\xff\"]"));
        assert!(!fits("text/plain", b"a\0b"));
    }
}
