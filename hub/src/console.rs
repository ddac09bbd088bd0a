//! The auditors' pages: a search, one message's way, a case as a picture, the health of the exchange as plots, what auditors asked.
//!
//! They show what [`crate::audit`] answers, and have no other source. Here is who is signed in, what forms say, and what pages look
//! like; what a browser needs of HTTP is in `http::console`. Pages are whole, in Thai or English, and have no script.

mod fields;
mod forms;
mod pages;
mod sessions;
mod svg;
mod times;
mod words;

pub(crate) use fields::{CSRF, Fields};
pub(crate) use forms::{Mistakes, case, filter, health, message, queries, search};
pub(crate) use pages::{Frame, Place, cases, failure, messages, past, plots, searching, sign_in};

pub(crate) use sessions::{LASTS_SECONDS, NoSession, Session, SessionToken, Sessions};
pub(crate) use words::{Word, code, language, preferred};

use crate::config::Config;
use crate::limits::RateLimit;

/// Who is signed in, and how often they may.
#[derive(Debug)]
pub struct Console {
    pub(crate) enabled: bool,
    /// Whether browsers reach it over HTTPS.
    pub(crate) over_https: bool,
    pub(crate) sessions: Sessions,
    /// Sign-ins of each auditor. Of strangers nothing is remembered: what they send is refused before.
    pub(crate) sign_ins: RateLimit,
}

impl Console {
    /// As configured, with nobody signed in.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            enabled: config.console.enabled,
            over_https: config.console.behind_https || config.tls.is_on(),
            sessions: Sessions::default(),
            sign_ins: RateLimit::spaced(SECONDS_PER_SIGN_IN, SIGN_INS_AT_ONCE, "sign-ins"),
        }
    }
}

/// The stylesheet of all pages.
pub(crate) const STYLE: &str = include_str!("console/console.css");
/// The picture of a tab.
pub(crate) const ICON: &str = include_str!("console/icon.svg");

const SECONDS_PER_SIGN_IN: u32 = 10;
const SIGN_INS_AT_ONCE: u32 = 10;
