//! Timestamps on a log's checkpoints: which there are, and where their files are.
//!
//! A token is over a checkpoint's text ([`super::Checkpoint::to_note_text`]), which follows from the log's origin, a size and the
//! root at that size. So nothing but the token is kept, and any entry below that size is older than the token.

use std::fmt::Write as _;

use super::checkpoint::parse_decimal;

/// That a token for the checkpoint of one size is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamped {
    /// The number of entries.
    pub size: u64,
    /// The time in the token, in seconds since 1970: as whoever keeps it read it.
    pub time: u64,
}

/// A page cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a page of timestamps is at most 256 lines `<size> <time>`, by size, each once")]
pub struct NotAPage;

impl Stamped {
    /// How many lines a full page has, which never changes any more.
    pub const PER_PAGE: u64 = 256;

    /// Where the token for a size is, below the log's prefix.
    #[must_use]
    pub fn token_path(size: u64) -> String {
        format!("timestamps/{size}")
    }

    /// Where a page is, counted from 0, below the log's prefix.
    #[must_use]
    pub fn page_path(page: u64) -> String {
        format!("timestamps/pages/{page}")
    }

    /// Writes a page.
    #[must_use]
    pub fn to_page(all: &[Self]) -> String {
        let mut page = String::new();
        for Self { size, time } in all {
            // Writing to a String cannot fail.
            let _ = writeln!(page, "{size} {time}");
        }
        page
    }

    /// Reads a page.
    ///
    /// # Errors
    /// [`NotAPage`], also for an empty one.
    pub fn parse_page(page: &[u8]) -> Result<Vec<Self>, NotAPage> {
        let lines = std::str::from_utf8(page).ok().and_then(|text| text.strip_suffix('\n')).ok_or(NotAPage)?;
        let line = |line: &str| {
            let (size, time) = line.split_once(' ')?;
            Some(Self { size: parse_decimal(size)?, time: parse_decimal(time)? })
        };
        let all: Vec<Self> = lines.split('\n').map(line).collect::<Option<_>>().ok_or(NotAPage)?;
        let in_order = all.windows(2).all(|pair| pair[0].size < pair[1].size);
        let is_page = in_order && all.len() as u64 <= Self::PER_PAGE && all[0].size > 0;
        if is_page { Ok(all) } else { Err(NotAPage) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_it_was_written_and_in_no_other_form() {
        let all = [Stamped { size: 5, time: 9 }, Stamped { size: 7, time: 0 }];
        assert_eq!(Stamped::to_page(&all), "5 9\n7 0\n");
        assert_eq!(Stamped::parse_page(b"5 9\n7 0\n"), Ok(all.to_vec()));
        for page in [
            "",
            "\n",
            "5 9",
            "5 9\n\n",
            "7 0\n5 9\n",
            "5 9\n5 9\n",
            "0 9\n",
            "05 9\n",
            "5  9\n",
            "5 9 \n",
            "-5 9\n",
            "5\n",
        ] {
            assert_eq!(Stamped::parse_page(page.as_bytes()), Err(NotAPage), "{page}");
        }
        let long: String = (1..=257).map(|size| format!("{size} 1\n")).collect();
        assert_eq!(Stamped::parse_page(long.as_bytes()), Err(NotAPage));
        assert_eq!(Stamped::parse_page(&long.as_bytes()[..long.len() - 6]).unwrap().len(), 256);
    }
}
