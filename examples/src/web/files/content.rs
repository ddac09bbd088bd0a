//! What a file is, by its first bytes. What the browser says of it is not asked.

/// What the page takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Pdf,
    Png,
    Jpeg,
}

impl Content {
    /// What begins like this; `None`: nothing that the page takes.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        [Self::Pdf, Self::Png, Self::Jpeg].into_iter().find(|content| head.starts_with(content.mark()))
    }

    const fn mark(self) -> &'static [u8] {
        match self {
            Self::Pdf => b"%PDF-",
            Self::Png => b"\x89PNG\r\n\x1a\n",
            Self::Jpeg => b"\xff\xd8\xff",
        }
    }

    /// The media type, as a document has it.
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
        }
    }

    /// What people call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pdf => "PDF",
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
        }
    }
}

/// So many bytes tell.
pub(super) const LONGEST_MARK: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_it_begins_with() {
        assert_eq!(Content::of(b"%PDF-1.7"), Some(Content::Pdf));
        assert_eq!(Content::of(b"\x89PNG\r\n\x1a\n"), Some(Content::Png));
        assert_eq!(Content::of(b"\xff\xd8\xff\xe0\0\x10JF"), Some(Content::Jpeg));
        for other in [&b"MZ\x90\0\x03\0\0\0"[..], b"PK\x03\x04\x14\0\0\0", b"GIF89a\x01\0", b"%PD", b""] {
            assert_eq!(Content::of(other), None, "{other:?}");
        }
    }

    #[test]
    fn what_the_browser_is_told_is_what_the_page_takes() {
        let all = [Content::Pdf, Content::Png, Content::Jpeg];
        assert_eq!(all.map(Content::media_type).join(","), super::super::ACCEPT);
        assert!(all.iter().all(|content| content.mark().len() <= LONGEST_MARK));
    }
}
